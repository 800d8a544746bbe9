"""Token exchange (RFC 8693): a PAT or an API key for a short-lived JWT."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, InvalidRequestError, TokenEndpointMixin

from app.actions.limits.abuse import CREDENTIALS_OF_ADDRESS
from app.actions.tokens.exchange import ACCESS_TOKEN
from app.actions.tokens.issue import AccessToken
from app.errors import InvalidSubject
from app.http.current import actions
from app.http.envelope import used_credential
from app.http.peer import caller_address, peer_address
from app.oauth.bond import Bond, bond_of
from app.oauth.client_authentication import METHODS, presented_methods
from app.oauth.door import form_of, resources_of
from app.operations import metrics

JWT = "urn:ietf:params:oauth:token-type:jwt"


class TokenExchange(BaseGrant, TokenEndpointMixin):
    """A grant that Authlib does not have."""

    GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def validate_token_request(self) -> None:
        """Check the parameters, and authenticate the client if one presents itself: possession proves the right."""
        form = self.request.form
        if presented_methods(form):
            self.request.client = self.authenticate_token_endpoint_client()
        for name in ("subject_token", "subject_token_type"):
            if name not in form:
                raise InvalidRequestError(f"{name} is missing")  # RFC 8693 §2.1
        if form.get("requested_token_type", ACCESS_TOKEN) not in (ACCESS_TOKEN, JWT):
            raise InvalidRequestError("only access tokens are issued")
        if "actor_token" in form or "actor_token_type" in form:
            raise InvalidRequestError("an actor_token is not supported: authenticate as the client that acts")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:  # type: ignore[override]
        """Answer as RFC 8693 §2.2.1 says."""
        issued = self._issue()
        more = self._bond.seal()
        metrics.issued("exchanged")
        used_credential(issued.credential_id)
        body: dict[str, Any] = {
            "access_token": issued.token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": self._bond.confirmation.token_type,
            "expires_in": issued.expires_in,
            "scope": str(issued.scopes),
        }
        return 200, body, [*self.TOKEN_RESPONSE_HEADER, *more]

    @cached_property
    def _bond(self) -> Bond:
        return bond_of(self.client.known if self.client else None)

    def _issue(self) -> AccessToken:
        """Exchange; whoever shows no client and no good token either is counted, as at forward-auth."""
        form, client_id = form_of(self.request), self.client.get_client_id() if self.client else None
        asked = form["subject_token"], form["subject_token_type"], form.get("scope"), resources_of(form)
        try:
            return actions().exchange_token(*asked, client_id, peer_address(), lambda: self._bond.confirmation)
        except InvalidSubject:
            if client_id is None:
                actions().abuse_limits.refuse_beyond(CREDENTIALS_OF_ADDRESS.at(caller_address()))
            raise
