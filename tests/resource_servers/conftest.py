"""One server for all recipes, and a credential of each kind in each condition for `GET /orders`."""

from collections.abc import Iterator

import pytest

from tests.api import Admin
from tests.gateways.conftest import ORDERS, READ, STOCK, WRITE
from tests.gateways.programs import Upstream
from tests.live import LiveServer
from tests.resource_servers.recipes import RECIPES, collected, is_promised, running
from tests.resource_servers.service import TTL, Service
from tests.resource_servers.shop import MACHINE_ROLE, OrdersShop

collect_ignore = [] if is_promised("go") else ["test_oathkeeper.py"]
EVERY = (READ, WRITE, "stock:read")


@pytest.fixture(scope="session")
def recipe_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    settings = {"status_list_ttl": str(TTL), "trusted_proxies": "127.0.0.0/8"}
    live = LiveServer(tmp_path_factory.mktemp("recipes") / "instance", settings).start()
    yield live
    live.stop()


@pytest.fixture(scope="session")
def orders(recipe_server: LiveServer) -> OrdersShop:
    admin = Admin(recipe_server)
    for identifier, names in ((ORDERS, (READ, WRITE)), (STOCK, ("stock:read",))):
        admin.resource(public=names, identifier=identifier)
    user = admin.user([admin.role("user", EVERY)])
    role = admin.role("machine", EVERY, name=MACHINE_ROLE)
    return OrdersShop(admin, user, admin.client([role]), admin.client(serves=[ORDERS]))


@pytest.fixture(scope="session")
def settings(orders: OrdersShop) -> dict[str, str]:
    """What every recipe reads from its environment."""
    client = {"CLIENT_ID": orders.server.client_id, "CLIENT_SECRET": orders.server.client_secret}
    return {"ISSUER": orders.admin.issuer, "RESOURCE": ORDERS} | client


@pytest.fixture(scope="session", params=collected())
def service(
    request: pytest.FixtureRequest, settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Each recipe in turn."""
    log = tmp_path_factory.mktemp("service") / "output"
    with running(request.param, log, settings) as http:
        yield Service(RECIPES[request.param], http)


@pytest.fixture(scope="session")
def _api() -> Iterator[Upstream]:
    with Upstream.running() as started:
        yield started


@pytest.fixture
def upstream(_api: Upstream) -> Upstream:
    """The API behind a proxy, which no request of this test has reached yet."""
    _api.seen = []
    return _api
