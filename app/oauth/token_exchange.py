"""Token exchange (RFC 8693) of a PAT or an API key for a short-lived JWT."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, InvalidRequestError, TokenEndpointMixin

from app.actions.limits.abuse import CREDENTIALS_OF_ADDRESS
from app.actions.tokens.exchange import ACCESS_TOKEN
from app.actions.tokens.issue import AccessToken
from app.compose import Actions
from app.errors import InvalidSubject
from app.http.envelope import log_credential
from app.oauth.client import TOKEN_EXCHANGE
from app.oauth.client_authentication import METHODS
from app.oauth.form_reader import form_request, resources_of
from app.oauth.token_binding import TokenBinding, read_binding
from app.operations import metrics

JWT = "urn:ietf:params:oauth:token-type:jwt"


class TokenExchange(BaseGrant, TokenEndpointMixin):
    """A grant that Authlib does not have."""

    GRANT_TYPE = TOKEN_EXCHANGE
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def validate_token_request(self) -> None:
        """Check the parameters, and authenticate a client that identifies itself; possession is enough without one."""
        request = form_request(self.request)
        form = request.form
        if self.server.authentication.presented_methods(request):
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
        nonce = self._binding.consume_proof()
        metrics.count_issued("exchanged")
        log_credential(issued.credential_id, "exchanged")
        body: dict[str, Any] = {
            "access_token": issued.token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": self._binding.confirmation.token_type,
            "expires_in": issued.expires_in,
            "scope": str(issued.scopes),
        }
        return 200, body, [*self.TOKEN_RESPONSE_HEADER, *nonce]

    @cached_property
    def _binding(self) -> TokenBinding:
        client = self.client.registration if self.client else None
        return read_binding(client, form_request(self.request).context, self._issuer, self._actions.check_proof)

    @property
    def _actions(self) -> Actions:
        actions: Actions = self.server.actions
        return actions

    @property
    def _issuer(self) -> str:
        return self._actions.settings.issuer

    def _issue(self) -> AccessToken:
        """Exchange; count a caller with neither a client nor a valid token, as at forward-auth."""
        request, client_id = form_request(self.request), self.client.get_client_id() if self.client else None
        form = request.form
        try:
            return self._actions.exchange_token(
                subject_token=form["subject_token"],
                subject_token_type=form["subject_token_type"],
                scope=form.get("scope"),
                resources=resources_of(form),
                client_id=client_id,
                address=request.context.address,
                bind=lambda: self._binding.confirmation,
            )
        except InvalidSubject:
            if client_id is None:
                self._actions.abuse_limits.refuse_beyond(CREDENTIALS_OF_ADDRESS.at(request.context.peer))
            raise
