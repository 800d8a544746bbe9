"""A client that trusts an issuer on loopback, and the ways to present what that issuer signs."""

import json
from dataclasses import dataclass
from typing import Any

import jwt

from app.actions.audit.actor import OPERATOR
from app.actions.directory.clients import NewClient
from app.actions.directory.federated_credentials import NewFederatedCredential
from app.actions.trust.issuers import FederatedCredentialView
from tests.core import ISSUER, ORDERS
from tests.oauth.wire import Wire, asserted, refused, start_wire, stop_wire
from tests.spec.client_keys import Key
from tests.spec.oidc_issuer import OidcIssuer

BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
PATTERN, SUBJECT = "repo:acme/orders:ref:refs/heads/*", "repo:acme/orders:ref:refs/heads/main"


@dataclass
class Trusting:
    """An application whose client `job` trusts the subjects PATTERN of an issuer on loopback."""

    wire: Wire
    issuer: OidcIssuer
    client_id: str
    row_id: str
    trust: FederatedCredentialView

    def client(self, name: str = "another job") -> tuple[str, str]:
        """Register a client without any secret; give its client_id and row id."""
        view, issued = self.wire.core.actions.clients.create(
            OPERATOR, NewClient(name, "federated_jwt", roles=("worker",))
        )
        assert issued is None
        return view.client_id, view.id

    def trusting(self, row_id: str, **fields: Any) -> FederatedCredentialView:
        """Register a federated credential of the issuer for a client."""
        new = {"name": "CI", "issuer": self.issuer.url, "subject": PATTERN} | fields
        return self.wire.core.actions.federated_credentials.create(OPERATOR, row_id, NewFederatedCredential(**new))

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Return what a good token of this job says."""
        now = int(self.wire.core.clock().timestamp())
        return {"iss": self.issuer.url, "sub": SUBJECT, "aud": ISSUER, "iat": now, "exp": now + 300} | changed

    def token(self, **changed: Any) -> str:
        """Return a token of this job; members that are None are left out."""
        return self.issuer.token(self.claims(**changed))

    def authenticate(self, token: str, client_id: str | None = None, **form: Any) -> Any:
        """Authenticate by it (RFC 7523 §2.2)."""
        return self.wire.token(None, **asserted(token), client_id=client_id or self.client_id, **form)

    def grant(self, token: str, **form: Any) -> Any:
        """Use it as a grant (RFC 7523 §2.1)."""
        return self.wire.post("token", {"grant_type": BEARER, "assertion": token, "resource": ORDERS} | form)

    def refuses(self, token: str, client_id: str | None = None) -> None:
        """Assert that it is refused in every way."""
        named = client_id or self.client_id
        refused(self.authenticate(token, named), 401, "invalid_client")
        refused(self.grant(token, client_id=named), 400, "invalid_grant")

    def takes(self, token: str, client_id: str | None = None) -> None:
        """Assert that it is taken in either way."""
        named = client_id or self.client_id
        for answer in (self.authenticate(token, named), self.grant(token, client_id=named)):
            assert answer.status_code == 200, answer.text
            assert self.wire.introspect(answer.json["access_token"])["client_id"] == named


def start(folder: Any, **settings: Any) -> Trusting:
    """Make all of it in a folder; the keys that are kept grow old by the application's clock."""
    wire, issuer = start_wire(folder, allow_private_jwks_uri=True, **settings), OidcIssuer()
    clock = wire.core.clock
    wire.core.actions.fetch_jwks._monotonic = lambda: clock.now.timestamp()
    made: Any = Trusting(wire, issuer, "", "", None)  # type: ignore[arg-type]
    made.client_id, made.row_id = made.client("job")
    made.trust = made.trusting(made.row_id)
    return made  # type: ignore[no-any-return]


def stop(made: Trusting) -> None:
    """Take it down."""
    made.issuer.close()
    stop_wire(made.wire)


def signed(key: Key, body: dict[str, Any]) -> str:
    """Sign any JSON at all: PyJWT refuses some claims that it thinks wrong."""
    return jwt.PyJWS().encode(json.dumps(body).encode(), key.private, key.algorithm, {"kid": key.kid, "typ": "JWT"})
