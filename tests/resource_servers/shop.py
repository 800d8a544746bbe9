"""A credential of each kind in each condition for `GET /orders`, with a delegated token as the fifth kind."""

from contextlib import closing

from tests.api import Client, expect
from tests.consenting import Person
from tests.gateways.conftest import KINDS as KINDS_OF_GATEWAYS
from tests.gateways.conftest import ORDERS, READ, WRITE, Shop

KINDS = (*KINDS_OF_GATEWAYS, "delegated")
CONDITIONS = ("good", "narrow", "elsewhere", "revoked", "expired")
CASES = [(kind, each) for kind in KINDS for each in CONDITIONS if (kind, each) != ("delegated", "expired")]
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
MACHINE_ROLE = "machine-of-every-api"


class OrdersShop(Shop):
    """A shop where each token has a client of its own: a status list refuses all tokens of one decision."""

    app: Client  # of the last delegated token, as `client` is of the last machine token

    def new(self, kind: str, condition: str = "good") -> str:
        """Issue a credential that no other test has."""
        return self._new(kind, condition)

    def revoke(self, kind: str, token: str) -> None:
        """Revoke the last credential of the kind, as its holder does."""
        form = {"client_id": self.app.client_id} if kind == "delegated" else {}
        expect(200, self.admin.revoke(token, self.client if kind == "m2m" else None, **form))
        assert not self.admin.active(token)

    def _new(self, kind: str, condition: str) -> str:
        self.client = self.admin.client([MACHINE_ROLE])
        if condition == "narrow":
            return self._fresh(kind, ORDERS, [WRITE])
        if condition != "revoked":
            return super()._new(kind, condition)
        token = self._fresh(kind, ORDERS, [READ, WRITE])
        self.revoke(kind, token)
        return token

    def _fresh(self, kind: str, resource: str, scopes: list[str], **fields: object) -> str:
        return (
            self._delegated(resource, scopes)
            if kind == "delegated"
            else super()._fresh(kind, resource, scopes, **fields)
        )

    def _delegated(self, resource: str, scopes: list[str]) -> str:
        """Register an app, and let the user agree to what it asks for on their own device."""
        self.app = self.admin.client(token_endpoint_auth_method="none", grant_types=[DEVICE])
        asked = {"client_id": self.app.client_id, "scope": " ".join(scopes), "resource": resource}
        begun = expect(200, self.admin.http.post("/oauth/device_authorization", data=asked)).json()
        with closing(Person(self.admin.server.url, self.user)) as person:
            person.allow_device(begun["verification_uri_complete"])
        form = {"grant_type": DEVICE, "device_code": begun["device_code"], "client_id": self.app.client_id}
        return str(expect(200, self.admin.token_request(form)).json()["access_token"])
