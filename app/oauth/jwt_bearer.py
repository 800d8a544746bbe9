"""The JWT bearer grant (RFC 7523 §2.1): a trusted issuer's token for a token of the client that trusts it."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import InvalidRequestError

from app.compose import Actions
from app.errors import InvalidGrant
from app.oauth.caller import anonymous_actor
from app.oauth.client import JWT_BEARER, OAuthClient
from app.oauth.client_credentials import ClientCredentials
from app.oauth.form_reader import form_request
from app.oauth.workload import find_client


class JwtBearer(ClientCredentials):
    """Answer like client credentials, for the client that the assertion names."""

    GRANT_TYPE = JWT_BEARER

    def validate_token_request(self) -> None:
        """Find the client by the assertion; one that authenticates as well must be the same (RFC 7523 §3.1)."""
        request = form_request(self.request)
        if "assertion" not in request.form:
            raise InvalidRequestError("assertion is missing")
        client_id = request.form.get("client_id")
        if self.server.authentication.presented_methods(request):
            client_id = self.authenticate_token_endpoint_client().get_client_id()
        self.request.client = self._find_client(request.form["assertion"], client_id)
        self.client.require_grant_type(self.GRANT_TYPE)

    def _find_client(self, assertion: str, client_id: str | None) -> OAuthClient:
        """Return the client; raise InvalidGrant, the same for every reason, and record the failure."""
        actions: Actions = self.server.actions
        context = form_request(self.request).context
        client = find_client(assertion, client_id, context, actions)
        if client is None:
            actions.authenticate_client.record_failure(anonymous_actor(context), client_id or "")
            raise InvalidGrant("no client trusts this assertion, or more than one does")
        return OAuthClient(client, actions)
