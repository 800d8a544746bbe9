"""What the three grants have in common by which an app gets tokens for a user."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, cast

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin

from app.actions.audit.actor import Actor
from app.actions.delegation.app_tokens import AppTokens
from app.actions.sign_in.clients import KnownClient
from app.compose import Actions
from app.credentials.oauth_token import OAuthTokens
from app.crypto.confirmation import Confirmation
from app.http.envelope import log_credential
from app.oauth.caller import client_actor
from app.oauth.client import OAuthClient
from app.oauth.client_authentication import METHODS_OF_APPS
from app.oauth.client_credentials import render_token
from app.oauth.form_reader import FormRequest, form_request, resources_of
from app.oauth.token_binding import TokenBinding, read_binding
from app.operations import metrics


class AppTokenGrant(BaseGrant, TokenEndpointMixin):
    """Leave scopes, audience and storage to our actions, where Authlib has models of its own."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS_OF_APPS

    @abstractmethod
    def obtain_tokens(self, actor: Actor, client: KnownClient, confirmation: Confirmation) -> AppTokens:
        """Trade what the client presents for tokens."""

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:  # type: ignore[override]
        """Answer as RFC 6749 §5.1 says."""
        client, context = self.registration, self._form_request.context
        binding = self.read_binding(client)
        nonce = binding.consume_proof()  # before anything is used up that the client would need again
        tokens = self.obtain_tokens(client_actor(client.client_id, context), client, binding.confirmation)
        counted = OAuthTokens.counted_as, tokens.grant_id
        self.actions.usage.note_issued(counted, self.asked[1], context.address)
        metrics.count_issued(OAuthTokens.name)
        log_credential(tokens.access.credential_id, OAuthTokens.name)
        return 200, render_tokens(tokens), [*self.TOKEN_RESPONSE_HEADER, *nonce]

    def read_binding(self, client: KnownClient) -> TokenBinding:
        """Return what the new tokens are bound to."""
        actions = self.actions
        return read_binding(client, self._form_request.context, actions.settings.issuer, actions.check_proof)

    def authenticate_registered_client(self) -> OAuthClient:
        """Authenticate the client, and require that it is registered for this grant."""
        client = cast(OAuthClient, self.authenticate_token_endpoint_client())
        client.require_grant_type(str(self.GRANT_TYPE))
        self.request.client = client
        return client

    @property
    def actions(self) -> Actions:
        """The actions."""
        actions: Actions = self.server.actions
        return actions

    @property
    def registration(self) -> KnownClient:
        """The client of the request."""
        return cast(OAuthClient, self.request.client).registration

    @property
    def parameters(self) -> Any:
        """The parameters of the form."""
        return self._form_request.form

    @property
    def asked(self) -> tuple[str | None, list[str]]:
        """The requested scope and resources."""
        return self.parameters.get("scope"), resources_of(self.parameters)

    @property
    def _form_request(self) -> FormRequest:
        return form_request(self.request)


def render_tokens(tokens: AppTokens) -> dict[str, Any]:
    """Return the members of the answer; a client that is not registered for refresh tokens gets none."""
    body = render_token(tokens.access, tokens.confirmation)
    return body if tokens.refresh_token is None else body | {"refresh_token": tokens.refresh_token}
