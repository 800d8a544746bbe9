"""Each recipe in Python, started by the command of its README, accepts and refuses exactly the right credentials."""

import re
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from app.settings.settings import Settings
from tests.api import Admin, expect
from tests.architecture.checkout import ROOT
from tests.consenting import Person
from tests.dpop import ath
from tests.gateways.conftest import ORDERS, READ, STOCK, WRITE, Shop
from tests.live import LiveServer
from tests.ports import free_port
from tests.resource_servers.recipes import serving

FOLDER = ROOT / "scripts/resource_servers"
ROW = re.compile(r"^\| `(\w+)`: `([^`]*)`", re.M)
COMMANDS = dict(ROW.findall((FOLDER / "README.md").read_text(encoding="utf-8")))
PYTHON = ("fastapi", "django_rest", "flask")
KINDS = ("pat", "api_key", "m2m", "exchanged")
REFUSED = {"narrow": 403, "elsewhere": 401, "expired": 401}
CHALLENGE = {401: 'error="invalid_token"', 403: f'error="insufficient_scope", scope="{READ}"'}
TTL = {"status_list_ttl": "1"} if "status_list_ttl" in Settings.model_fields else {}
LATEST = 10.0  # seconds until a revoked JWT is refused, on a machine that does much else; its list is used for one


class Orders(Shop):
    """A shop whose narrow credentials lack the scope of the orders, and whose machine tokens have a client each."""

    role: str

    def _new(self, kind: str, condition: str) -> str:
        self.client = self.admin.client([self.role])  # a status list refuses all tokens of one decision
        return self._fresh(kind, ORDERS, [WRITE]) if condition == "narrow" else super()._new(kind, condition)

    def delegate(self, resource: str, scope: str) -> tuple[str, str]:
        """Return a token of an app that the user agreed to, and the app's identifier."""
        redirect, verifier = "http://127.0.0.1:9000/", "v" * 43
        fields = {"grant_types": ["authorization_code"], "redirect_uris": [redirect]}
        app = self.admin.client(token_endpoint_auth_method="none", **fields)
        named = {"client_id": app.client_id, "redirect_uri": redirect, "resource": resource}
        challenge = {"code_challenge": ath(verifier), "code_challenge_method": "S256"}
        asked = named | challenge | {"response_type": "code", "scope": scope}
        person = Person(self.admin.server.url, self.user)
        ended = person.allow(f"{self.admin.issuer}/oauth/authorize?{urlencode(asked)}")
        person.close()
        [code] = parse_qs(urlsplit(ended).query)["code"]
        form = named | {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        return str(expect(200, self.admin.token_request(form)).json()["access_token"]), app.client_id


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path_factory.mktemp("recipes") / "instance", TTL).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def orders(live: LiveServer) -> Orders:
    admin, every = Admin(live), (READ, WRITE, "stock:read")
    for identifier, names in ((ORDERS, (READ, WRITE)), (STOCK, ("stock:read",))):
        admin.resource(public=names, identifier=identifier)
    role = admin.role("machine", every)
    shop = Orders(admin, admin.user([admin.role("user", every)]), admin.client([role]), admin.client(serves=[ORDERS]))
    shop.role = role["name"]
    return shop


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to import the package from, by the name that it has outside of this checkout."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "latchkey_resource_server").symlink_to(ROOT / "app/resource_server")
    return folder


@pytest.fixture(scope="module", params=PYTHON)
def api(
    request: pytest.FixtureRequest, orders: Orders, installed: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Each recipe in turn, as a process of its own."""
    port, log = free_port(), tmp_path_factory.mktemp("recipe") / "output"
    program, *arguments = shlex.split(COMMANDS[request.param].replace("$PORT", str(port)))
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    settings = {"ISSUER": orders.admin.issuer, "RESOURCE": ORDERS, "PYTHONPATH": str(installed), "PORT": str(port)}
    settings |= {"CLIENT_ID": orders.server.client_id, "CLIENT_SECRET": orders.server.client_secret}
    with serving(command, FOLDER / request.param, log, settings | {"PYTHONDONTWRITEBYTECODE": "1"}) as http:
        yield http


def get(api: httpx.Client, token: str) -> httpx.Response:
    return api.get("/orders", headers={"Authorization": f"Bearer {token}"})


def test_the_readme_has_one_command_for_each_recipe() -> None:
    assert COMMANDS.keys() >= set(PYTHON)


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_credential_reads_the_orders_and_its_holder_is_known(
    api: httpx.Client, orders: Orders, kind: str
) -> None:
    answer = get(api, orders._new(kind, "good"))
    assert answer.status_code == 200, answer.text
    holder = {"api_key": None, "m2m": orders.client.client_id}.get(kind, orders.user.id)
    assert answer.json() == {"orders": ["one apple"], "holder": holder}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("condition", REFUSED)
def test_any_other_credential_is_refused(api: httpx.Client, orders: Orders, kind: str, condition: str) -> None:
    answer = get(api, orders.issue(kind, condition))
    assert answer.status_code == REFUSED[condition], answer.text
    assert CHALLENGE[answer.status_code] in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_revoked_credential_is_refused(api: httpx.Client, orders: Orders, kind: str) -> None:
    token = orders._new(kind, "good")
    assert get(api, token).status_code == 200
    expect(200, orders.admin.revoke(token, orders.client if kind == "m2m" else None))
    check_refused(api, token, LATEST if kind in ("m2m", "exchanged") else 0)


def test_a_token_of_an_app_reads_the_orders_of_its_user_until_it_is_revoked(api: httpx.Client, orders: Orders) -> None:
    token, app = orders.delegate(ORDERS, READ)
    assert expect(200, get(api, token)).json()["holder"] == orders.user.id
    for resource, scope, status in ((ORDERS, WRITE, 403), (STOCK, "stock:read", 401)):
        assert get(api, orders.delegate(resource, scope)[0]).status_code == status
    expect(200, orders.admin.revoke(token, client_id=app))
    check_refused(api, token, LATEST)


def check_refused(api: httpx.Client, token: str, within: float) -> None:
    """Check that a token is refused within these seconds."""
    deadline = time.monotonic() + within
    while (answer := get(api, token)).status_code == 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answer.status_code == 401 and CHALLENGE[401] in answer.headers["WWW-Authenticate"]


def test_without_a_credential_a_recipe_says_where_to_get_one(api: httpx.Client, orders: Orders) -> None:
    refused = api.get("/orders")
    assert refused.status_code == 401
    metadata = f"{ORDERS}/.well-known/oauth-protected-resource"
    assert refused.headers["WWW-Authenticate"] == f'Bearer resource_metadata="{metadata}"'
    document = api.get("/.well-known/oauth-protected-resource").json()
    assert (document["resource"], document["authorization_servers"]) == (ORDERS, [orders.admin.issuer])
