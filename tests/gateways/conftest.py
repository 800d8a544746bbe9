"""One server, one API behind each gateway, and a credential of each kind in each condition."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine

from app.actions.limits.storage import key_limiter
from app.clock import system_clock
from app.compose import join
from app.database.store import Store
from app.settings.settings import Settings
from tests.api import Admin, Client, User
from tests.gateways.programs import IN_FRONT_OF_APIS, Gateway, Upstream, running
from tests.live import LiveServer

ORDERS, STOCK = "https://orders.example", "https://stock.example"
APP = "https://app.example"
READ, WRITE = "orders:read", "orders:write"
LONG_AGO = timedelta(hours=3)
KINDS = ("pat", "api_key", "m2m", "exchanged")


@dataclass
class Shop:
    """The organisation: `issue` returns a credential of a kind in a condition."""

    admin: Admin
    user: User
    client: Client
    server: Client
    issued: dict[tuple[str, str], str] = field(default_factory=dict)

    def issue(self, kind: str, condition: str) -> str:
        """Return one that is valid, narrow, for another audience, revoked or expired; the same one each time."""
        if (kind, condition) not in self.issued:
            self.issued[kind, condition] = self._new(kind, condition)
        return self.issued[kind, condition]

    def _new(self, kind: str, condition: str) -> str:
        if condition == "expired":
            return self._expired(kind)
        scopes = {"narrow": [READ], "elsewhere": ["stock:read"]}.get(condition, [READ, WRITE])
        token = self._fresh(kind, STOCK if condition == "elsewhere" else ORDERS, scopes)
        if condition == "revoked":
            assert self.admin.revoke(token, self.client if kind == "m2m" else None).status_code == 200
            assert not self.admin.active(token)
        return token

    def _fresh(self, kind: str, resource: str, scopes: list[str], **fields: object) -> str:
        if kind == "pat":
            return str(self.admin.pat(self.user, scopes, **fields)["token"])
        if kind == "api_key":
            return str(self.admin.api_key(resource, scopes, **fields)["key"])
        if kind == "m2m":
            return self.admin.m2m(self.client, resource=resource, scope=" ".join(scopes))
        pat = self._fresh("pat", resource, scopes)
        return str(self.admin.exchange(pat, "personal_access_token", resource=resource).json()["access_token"])

    def _expired(self, kind: str) -> str:
        if kind in ("m2m", "exchanged"):
            return self._signed_long_ago()
        fields: dict[str, object] = {"expires_in": 1} if kind == "pat" else {"expires_at": _soon()}
        token = self._fresh(kind, ORDERS, [READ, WRITE], **fields)
        deadline = time.monotonic() + 10
        while self.admin.active(token) and time.monotonic() < deadline:
            time.sleep(0.1)
        return token

    def _signed_long_ago(self) -> str:
        """Sign for the client with the server's own keys and a clock that is three hours slow."""
        server = self.admin.server
        settings = Settings(
            instance_dir=server.instance,
            issuer=server.issuer,
            secret_key=SecretStr(server_key(server)),
            **server.database.settings,
        )
        store = Store(create_engine(server.database.url))
        clock = lambda: system_clock() - LONG_AGO  # noqa: E731 - a clock is this short
        actions = join(settings, store, clock, key_limiter(settings, store, clock))
        issue = actions.issue_machine_token
        token = issue.sign(issue.decide(self.client.id, self.client.client_id, READ, [ORDERS])).token
        store.dispose()
        return token


def server_key(server: LiveServer) -> str:
    """Return the SECRET_KEY, which seals the server's signing keys."""
    return (server.instance / "secret_key").read_text(encoding="utf-8").strip()


def _soon() -> str:
    return (system_clock() + timedelta(seconds=1.5)).isoformat()


@pytest.fixture(scope="session")
def gated_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that trusts the gateways of this machine about the caller's address."""
    settings = {"trusted_proxies": "127.0.0.0/8", "client_certificate_header": "ClientCert", "allowed_origins": APP}
    live = LiveServer(tmp_path_factory.mktemp("gated") / "instance", settings).start()
    yield live
    live.stop()


@pytest.fixture(scope="session")
def shop(gated_server: LiveServer) -> Shop:
    admin = Admin(gated_server)
    for identifier, names in ((ORDERS, (READ, WRITE)), (STOCK, ("stock:read",))):
        admin.resource(public=names, identifier=identifier)
    every = (READ, WRITE, "stock:read")
    user = admin.user([admin.role("user", every)])
    client = admin.client([admin.role("machine", every)])
    return Shop(admin, user, client, admin.client(serves=[ORDERS]))


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    with Upstream.running() as started:
        yield started


@pytest.fixture(autouse=True)
def nothing_yet(upstream: Upstream) -> None:
    upstream.seen, upstream.sends = [], []


def gateway_values(shop: Shop, upstream: Upstream) -> dict[str, str]:
    """Return what a recipe needs to serve the orders."""
    values = {"LATCHKEY": shop.admin.server.url.removeprefix("http://"), "UPSTREAM": upstream.address}
    values |= {"ID": shop.server.client_id, "SECRET": shop.server.client_secret}
    return values | {"RESOURCE": ORDERS, "APP_ORIGIN": APP}


@pytest.fixture(scope="session", params=IN_FRONT_OF_APIS)
def gateway(
    request: pytest.FixtureRequest, shop: Shop, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Each gateway in turn."""
    folder = tmp_path_factory.mktemp("gateway") / secrets.token_hex(4)
    with running(request.param, folder, gateway_values(shop, upstream)) as started:
        yield started
