"""Revocation (RFC 7009): the holder presents the credential, and it is over."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint

from app.crypto.pasted_token import strip_scheme
from app.errors import Unauthenticated
from app.http.current import actions
from app.oauth.caller import anonymous_actor, client_actor
from app.oauth.client_authentication import METHODS, ClientRefused, authenticated, presented_methods
from app.oauth.errors import NO_STORE


class Revocation(RevocationEndpoint):
    """Need a client only for a client's token, and answer with nothing, where Authlib wants one always."""

    CLIENT_AUTH_METHODS = METHODS

    def create_endpoint_response(self, request: Any) -> tuple[int, str, list[tuple[str, str]]]:
        """Revoke; 200 with an empty body, known or not (RFC 7009 §2.2)."""
        client = authenticated(self, request) if presented_methods(request.form) else None
        if "token" not in request.form:
            raise InvalidRequestError("token is missing")
        client_id = client.get_client_id() if client else None
        try:
            actor = client_actor(client_id) if client_id else anonymous_actor()
            actions().revoke_token(actor, strip_scheme(request.form["token"]), client_id)
        except Unauthenticated:
            raise ClientRefused from None
        return 200, "", list(NO_STORE.items())
