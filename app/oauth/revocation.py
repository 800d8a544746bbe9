"""Revocation (RFC 7009): a holder presents the credential to revoke."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint

from app.compose import Actions
from app.crypto.pasted_token import strip_scheme
from app.errors import Unauthenticated
from app.oauth.caller import anonymous_actor, client_actor
from app.oauth.client_authentication import METHODS_OF_APPS, authenticate_endpoint_client
from app.oauth.errors import NO_STORE, ClientRefused
from app.oauth.form_reader import FormRequest


class TokenRevocation(RevocationEndpoint):
    """Require a client only for a client's token, and answer with an empty body, where Authlib always requires one."""

    CLIENT_AUTH_METHODS = METHODS_OF_APPS

    def create_endpoint_response(  # type: ignore[override]
        self, request: FormRequest
    ) -> tuple[int, str, list[tuple[str, str]]]:
        """Revoke; answer 200 with an empty body, known or not (RFC 7009 §2.2)."""
        actions: Actions = self.server.actions
        authentication = self.server.authentication
        identified = authentication.presented_methods(request) or authentication.names_public_client(request)
        client = authenticate_endpoint_client(self, request) if identified else None
        if "token" not in request.form:
            raise InvalidRequestError("token is missing")
        client_id, token = client.get_client_id() if client else None, strip_scheme(request.form["token"])
        actor = client_actor(client_id, request.context) if client_id else anonymous_actor(request.context)
        try:
            actions.revoke_token(actor, token, client_id)
        except Unauthenticated:
            raise ClientRefused(tried_basic=request.context.scheme == "basic") from None
        finally:
            actions.reuse.look_up(actor, token, client_id=client_id)  # what it revoked is no longer superseded
        return 200, "", list(NO_STORE.items())
