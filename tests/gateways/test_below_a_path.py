"""Two servers below paths of one host, behind each program by its recipe: one path is removed, the other is kept."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from http.cookiejar import CookieJar
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from app.crypto.certificate_header import FORMS
from app.operations.health import CERTIFICATE_PROBE, FORGED
from tests.browser import Browser
from tests.dpop import Prover
from tests.gateways.conftest import APP
from tests.gateways.programs import RECIPES, running
from tests.gateways.test_spellings import spellings as spellings_of
from tests.live import LiveServer
from tests.ports import free_port
from tests.web.visitor import TOKEN

NAMES = ("staff", "partners")
CERTIFICATES = {"staff": "envoy", "partners": "rfc9440"}
ORIGIN = {"X-Forwarded-For": "192.0.2.1"}  # as a gateway adds it
LINK = re.compile(r"""(?:href|action|src|hx-get)=["'](/[^"']*)["']""")
FOLLOWED = re.compile(r"""(?:href|src)=["'](/[^"']*)["']""")  # the others may be forms, which are posted
each = pytest.mark.parametrize("name", NAMES)


@dataclass(frozen=True)
class Host:
    """A gateway, and the two servers behind it by name."""

    url: str
    servers: dict[str, LiveServer]
    drops_underscores: bool

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=15, trust_env=False, verify=False, cookies=CookieJar())


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, dict[str, LiveServer]]]:
    folder, port = tmp_path_factory.mktemp("paths"), free_port()
    issuers = {name: f"http://127.0.0.1:{port}/{name}" for name in NAMES}
    settings = {"trusted_proxies": "127.0.0.0/8", "allowed_origins": APP}
    started = {
        name: LiveServer(
            folder / name, settings | {"issuer": issuer, "client_certificate_proxy": CERTIFICATES[name]}
        ).start()
        for name, issuer in issuers.items()
    }
    yield port, started
    for server in started.values():
        server.stop()


@pytest.fixture(scope="module", params=["nginx", "caddy", "apache", "haproxy"])
def host(
    request: pytest.FixtureRequest,
    servers: tuple[int, dict[str, LiveServer]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Host]:
    """Each program in turn, at the port that the issuers name."""
    port, started = servers
    values = {name.upper(): server.url.removeprefix("http://") for name, server in started.items()}
    folder = tmp_path_factory.mktemp("gateway") / request.param
    with running(request.param, folder, values, RECIPES / "below-a-path", port):
        yield Host(f"http://127.0.0.1:{port}", started, request.param != "apache")


def sign_in(http: httpx.Client, host: Host, name: str) -> httpx.Response:
    found, first = TOKEN.search(http.get(f"/{name}/login").text), host.servers[name].bootstrap
    assert found is not None
    form = {"csrf_token": found[1], "username": first["admin_username"], "password": first["admin_password"]}
    return http.post(f"/{name}/login", data=form | {"next": "/console/users"})


@each
@pytest.mark.spec("RFC 8414 §3.1")
def test_the_metadata_is_found_before_and_below_the_path(host: Host, name: str) -> None:
    with host.client() as http:
        for path in (
            f"/.well-known/oauth-authorization-server/{name}",
            f"/{name}/.well-known/oauth-authorization-server",
        ):
            document: Any = http.get(path).json()
            assert document["issuer"] == f"{host.url}/{name}"
        assert http.get(document["jwks_uri"]).json()["keys"]
        assert http.get(f"/{name}", follow_redirects=False).headers["Location"].endswith(f"/{name}/")


@pytest.mark.contract(
    "an issuer with a path works behind proxies that remove it and that keep it; only a trusted one says which"
)
@each
@pytest.mark.spec("RFC 9449 §4.3")
def test_tokens_proofs_and_the_api_work_by_the_urls_of_the_metadata(host: Host, name: str) -> None:
    first, prover, issuer = host.servers[name].bootstrap, Prover(time.time), f"{host.url}/{name}"
    with host.client() as http:
        url, roles = f"{issuer}/oauth/token", f"{issuer}/api/v1/roles"
        form = {"grant_type": "client_credentials", "resource": f"{issuer}/api/v1"}
        pair, proof = (first["client_id"], first["client_secret"]), {"DPoP": prover.proof("POST", url)}
        token = http.post(url, data=form, auth=pair, headers=proof).json()["access_token"]

        def call(method: str, at: str, **body: Any) -> httpx.Response:
            headers = {"Authorization": f"DPoP {token}", "DPoP": prover.proof(method, at, token)}
            return http.request(method, at, headers=headers, **body)

        made = call("POST", roles, json={"name": f"role {time.monotonic_ns()}", "type": "user"})
        assert made.status_code == 201 and made.headers["Location"].startswith(f"{roles}/")
        assert call("GET", made.headers["Location"]).status_code == 200
        docs = http.get(f"{issuer}/api/docs")
        assert docs.status_code == 200 and 'href="v1/openapi.json"' in docs.text
        assert http.get(f"{issuer}/api/v1/openapi.json").json()["servers"] == [{"url": f"/{name}"}]
        assert http.get(f"{issuer}/api/docs/assets/docs.css").status_code == 200


@pytest.mark.contract(
    "an issuer with a path works behind proxies that remove it and that keep it; only a trusted one says which"
)
@each
def test_every_link_of_every_page_works(host: Host, name: str) -> None:
    with host.client() as http:
        assert http.get(f"/{name}/account").headers["Location"] == f"/{name}/login?next=/account"
        assert sign_in(http, host, name).headers["Location"] == f"/{name}/console/users"
        met, ahead = set[str](), [f"/{name}/console"]
        while ahead and len(met) < 25:
            met.add(place := ahead.pop(0))
            page = http.get(place)
            assert page.status_code == 200 or page.headers.get("Location", "").startswith(f"/{name}/"), place
            text = page.text if page.headers.get("Content-Type", "").startswith("text/html") else ""
            assert all(link.startswith(f"/{name}/") for link in LINK.findall(text)), place
            ahead += sorted({unescape(link) for link in FOLLOWED.findall(text)} - met - set(ahead))
        assert len(met) > 15 and any("/assets/" in place for place in met)


@each
def test_the_server_itself_answers_a_preflight(host: Host, name: str) -> None:
    with host.client() as http:
        for origin, status in ((APP, 204), ("https://evil.example", 405)):
            headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            answer = http.options(f"/{name}/oauth/token", headers=headers)
            allowed = answer.headers.get_list("Access-Control-Allow-Origin")
            assert (answer.status_code, allowed) == (status, [APP] if status == 204 else [])


@pytest.mark.contract("two servers on one host, by port or by path, keep their sessions apart")
def test_one_cookie_jar_holds_a_session_at_each(host: Host) -> None:
    with host.client() as http:
        for name in NAMES:
            assert sign_in(http, host, name).status_code == 303
        assert [http.get(f"/{name}/account").status_code for name in NAMES] == [200, 200]
        found = TOKEN.search(http.get("/staff/account").text)
        assert found is not None
        assert http.post("/staff/logout", data={"csrf_token": found[1]}).headers["Location"] == "/staff/login"
        assert [http.get(f"/{name}/account").status_code for name in NAMES] == [303, 200]


@pytest.mark.contract(
    "an issuer with a path works behind proxies that remove it and that keep it; only a trusted one says which"
)
@each
def test_no_spelling_passes_a_rule_of_the_gateway(host: Host, name: str) -> None:
    with host.client() as http:
        assert host.servers[name].http.get("/metrics").status_code == 200
        for path in ("metrics", f"{name}/metrics", f"{name}/{name}/metrics", "%6detrics", f"%2e%2e/{name}/metrics"):
            assert http.get(f"/{name}/{path}").status_code == 404, path
        for path in (f"/{name}/{name}/login", f"/{name}/{name}/api/v1/openapi.json"):
            assert name == "partners" or http.get(path).status_code == 404, path
        assert http.get("/login").status_code == http.get("/console").status_code == 404


@pytest.mark.contract(
    "an issuer with a path works behind proxies that remove it and that keep it; only a trusted one says which"
)
@each
def test_a_caller_cannot_set_the_prefix(host: Host, name: str) -> None:
    with host.client() as http:
        for prefix in (f"/{name}", "//evil.example", "/evil", "/..", "/" + "x" * 2000):
            for spelt in ("X-Forwarded-Prefix", "x-forwarded-prefix", "X_Forwarded_Prefix", "X-Forwarded_Prefix"):
                page = http.get(f"/{name}/login", headers={spelt: prefix})
                links = LINK.findall(page.text)
                assert page.status_code == 200 and "evil" not in page.text, (spelt, prefix)
                assert links and all(link.startswith(f"/{name}/") for link in links)


@each
@pytest.mark.spec("RFC 9440 §4")
def test_a_callers_own_certificate_does_not_arrive(host: Host, name: str) -> None:
    header = FORMS[CERTIFICATES[name]].header
    direct = host.servers[name].http.get("/healthz", headers={header: FORGED} | ORIGIN)
    assert direct.headers[CERTIFICATE_PROBE] == "arrived"
    with host.client() as http:
        spellings = [header, header.lower(), header.upper(), *(spellings_of(header) if host.drops_underscores else ())]
        for spelt in spellings:
            answer = http.get(f"/{name}/healthz", headers={spelt: FORGED})
            assert answer.status_code == 200 and CERTIFICATE_PROBE not in answer.headers, spelt


def test_every_recipe_drops_the_header_of_every_form() -> None:
    for recipe in (*RECIPES.glob("*"), *RECIPES.glob("below-a-path/*")):
        text = recipe.read_text(encoding="utf-8").lower() if recipe.is_file() else ""
        if "clientcert " in text or "-clientcert\n" in text:  # Apache's other recipe forwards nothing to Latchkey
            missing = [
                form.header for form in FORMS.values() if not re.search(rf"[ (|-]{form.header.lower()}[ |)\n]", text)
            ]
            assert not missing, recipe


@pytest.mark.contract("two servers on one host, by port or by path, keep their sessions apart")
@pytest.mark.parametrize("host", ["caddy"], indirect=True)
def test_chromium_signed_out_of_one_is_signed_in_to_the_other(host: Host, browser: Browser) -> None:
    with browser.page() as watched:
        watched.host = host.url.removeprefix("http://")
        tabs = {name: watched.page if name == "staff" else watched.page.context.new_page() for name in NAMES}
        for name, tab in tabs.items():
            fill_in(tab, host, name)
            tab.evaluate("window.untouched = true")
        second = watched.page.context.new_page()
        second.goto(f"{host.url}/staff/account")
        second.get_by_role("button", name="Sign out").click()
        tabs["staff"].wait_for_url(re.compile("/staff/login"))  # each tab of the same server is signed out
        assert tabs["partners"].evaluate("window.untouched") is True
        tabs["partners"].reload()
        assert tabs["partners"].get_by_role("button", name="Sign out").is_visible()
        assert not watched.errors and not watched.foreign


def fill_in(tab: Page, host: Host, name: str) -> None:
    first = host.servers[name].bootstrap
    tab.goto(f"{host.url}/{name}/account/tokens")
    tab.get_by_label("Username").fill(first["admin_username"])
    tab.get_by_label("Password").fill(first["admin_password"])
    tab.get_by_role("button", name="Sign in").click()
    tab.wait_for_url(f"{host.url}/{name}/account/tokens")
