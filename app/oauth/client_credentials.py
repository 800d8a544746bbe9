"""The client credentials grant (RFC 6749 §4.4) with resource indicators (RFC 8707)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import ClientCredentialsGrant

from app.actions.tokens.issue import AccessToken
from app.compose import Actions
from app.credentials.m2m import MachineTokens
from app.crypto.confirmation import UNBOUND, Confirmation
from app.http.envelope import log_credential
from app.oauth.client_authentication import METHODS
from app.oauth.form_reader import form_request, resources_of
from app.oauth.token_binding import read_binding
from app.operations import metrics


class ClientCredentials(ClientCredentialsGrant):
    """Leave scopes and audience to our action, where Authlib empties an omitted scope and drops an unknown one."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def validate_token_request(self) -> None:
        """Authenticate the client (RFC 6749 §4.4.2), which must be registered for the grant."""
        self.request.client = self.authenticate_token_endpoint_client()
        self.client.require_grant_type(self.GRANT_TYPE)

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:  # type: ignore[override]
        """Answer with a signed JWT (RFC 6749 §4.4.3), never a refresh token."""
        actions: Actions = self.server.actions
        client, request = self.client.registration, form_request(self.request)
        binding = read_binding(client, request.context, actions.settings.issuer, actions.check_proof)
        scope, resources = request.form.get("scope"), resources_of(request.form)
        issue = actions.issue_machine_token
        decision = issue.decide(client.row_id, client.client_id, scope, resources, binding.confirmation)
        issued = issue.sign(decision)
        nonce = binding.consume_proof()
        counted = MachineTokens.counted_as, client.row_id
        actions.usage.note_issued(counted, decision.audience, request.context.address)
        metrics.count_issued(MachineTokens.name)
        log_credential(issued.credential_id, MachineTokens.name)
        return 200, render_token(issued, binding.confirmation), [*self.TOKEN_RESPONSE_HEADER, *nonce]


def render_token(issued: AccessToken, confirmation: Confirmation = UNBOUND) -> dict[str, Any]:
    """Return the members of the answer (RFC 6749 §5.1)."""
    return {
        "access_token": issued.token,
        "token_type": confirmation.token_type,
        "expires_in": issued.expires_in,
        "scope": str(issued.scopes),
    }
