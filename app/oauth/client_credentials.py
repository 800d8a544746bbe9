"""The client credentials grant (RFC 6749 §4.4) with resource indicators (RFC 8707)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import ClientCredentialsGrant

from app.actions.tokens.issue import AccessToken
from app.credentials.m2m import MachineTokens
from app.crypto.confirmation import UNBOUND, Confirmation
from app.http.current import actions
from app.http.envelope import used_credential
from app.oauth.bond import bond_of
from app.oauth.client_authentication import METHODS
from app.oauth.door import form_of, resources_of
from app.operations import metrics


class ClientCredentials(ClientCredentialsGrant):
    """Let our action choose scopes and audience, where Authlib empties an omitted scope and drops an unknown one."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def validate_token_request(self) -> None:
        """Authenticate the client (RFC 6749 §4.4.2)."""
        self.request.client = self.authenticate_token_endpoint_client()

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:  # type: ignore[override]
        """Answer with a signed JWT (RFC 6749 §4.4.3), never a refresh token."""
        client, form = self.client.known, form_of(self.request)
        bond = bond_of(client)
        who, asked = (client.row_id, client.client_id), (form.get("scope"), resources_of(form))
        issue = actions().issue_machine_token
        issued = issue.sign(issue.decide(*who, *asked, bond.confirmation))
        more = bond.seal()
        metrics.issued(MachineTokens.name)
        used_credential(issued.credential_id)
        body = members(issued, bond.confirmation)
        return 200, body, [*self.TOKEN_RESPONSE_HEADER, *more]


def members(issued: AccessToken, confirmation: Confirmation = UNBOUND) -> dict[str, Any]:
    """Give the members of the answer (RFC 6749 §5.1). Needs no request."""
    return {
        "access_token": issued.token,
        "token_type": confirmation.token_type,
        "expires_in": issued.expires_in,
        "scope": str(issued.scopes),
    }
