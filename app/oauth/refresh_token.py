"""The refresh token grant (RFC 6749 §6), with rotation (RFC 9700 §4.14.2)."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import InvalidRequestError, RefreshTokenGrant

from app.actions.audit.actor import Actor
from app.actions.delegation.app_tokens import AppTokens
from app.actions.sign_in.clients import KnownClient
from app.crypto.confirmation import Confirmation
from app.oauth.app_tokens import AppTokenGrant


class RefreshToken(AppTokenGrant, RefreshTokenGrant):  # type: ignore[misc]
    """Rotate in one transaction, where Authlib stores the new token first and then revokes the old one."""

    def validate_token_request(self) -> None:
        """Authenticate the client before the refresh token is looked at."""
        self.authenticate_registered_client()
        if "refresh_token" not in self.parameters:
            raise InvalidRequestError("refresh_token is missing")

    def obtain_tokens(self, actor: Actor, client: KnownClient, confirmation: Confirmation) -> AppTokens:
        """Trade the refresh token for new tokens."""
        return self.actions.refresh(actor, client, self.parameters["refresh_token"], *self.asked, confirmation)
