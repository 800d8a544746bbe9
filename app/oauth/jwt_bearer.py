"""The JWT bearer grant (RFC 7523 §2.1): a trusted issuer's token for the token of the client that trusts it."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import InvalidRequestError

from app.actions.sign_in.clients import KnownClient
from app.errors import InvalidGrant
from app.http.current import actions
from app.oauth.caller import anonymous_actor
from app.oauth.client_authentication import AuthenticatedClient, presented_methods
from app.oauth.client_credentials import ClientCredentials
from app.oauth.door import form_of
from app.oauth.workload import client_of


class JwtBearer(ClientCredentials):
    """Give the same answer as client credentials; what differs is who the client is."""

    GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"

    def validate_token_request(self) -> None:
        """Find the client by the assertion; one that authenticates besides must be the same (RFC 7523 §3.1)."""
        form = form_of(self.request)
        if "assertion" not in form:
            raise InvalidRequestError("assertion is missing")
        client_id = form.get("client_id")
        if presented_methods(form):
            client_id = self.authenticate_token_endpoint_client().get_client_id()
        self.request.client = AuthenticatedClient(_spoken_for(form["assertion"], client_id))


def _spoken_for(assertion: str, client_id: str | None) -> KnownClient:
    """Give the client; raises InvalidGrant, with one answer for every reason, and leaves a trace."""
    known = client_of(assertion, client_id)
    if known is None:
        actions().authenticate_client.record_failure(anonymous_actor(), client_id or "")
        raise InvalidGrant("the assertion speaks for no client, or not for one alone")
    return known
