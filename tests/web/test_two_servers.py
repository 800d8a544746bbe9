"""Two servers on one host share a browser: neither ends or reads the other's session."""

import re
from collections.abc import Iterator
from http.cookiejar import CookieJar

import httpx
import pytest

from app.http.browser import cookie_name
from app.management.document import complete
from tests.browser import Browser
from tests.live import LiveServer
from tests.web.visitor import TOKEN

ISSUERS = (
    "http://127.0.0.1",
    "http://127.0.0.1:8080",
    "http://127.0.0.1:8081",
    "http://127.0.0.1:8080/a",
    "https://host.example",
    "https://host.example:8443",
    "https://host.example/a",
    "https://host.example/b",
    "https://host.example/a/b",
    "https://host.example/a-b",
    "https://host.example/A",
    "https://host.example/%C3%A9~;=,@!$&'()*+",
)
COOKIE_NAME = re.compile(r"[A-Za-z0-9_-]+")  # RFC 6265 §4.1.1: a name is a token


@pytest.mark.contract("two servers on one host, by port or by path, keep their sessions apart")
@pytest.mark.spec("RFC 6265 §8.5")
def test_no_two_issuers_of_a_host_share_a_cookie_name() -> None:
    names = [cookie_name(issuer) for issuer in ISSUERS]
    assert len(set(names)) == len(names)
    assert all(COOKIE_NAME.fullmatch(name) and len(name) < 40 for name in names)


@pytest.mark.spec("RFC 6265bis §4.1.3.2")
def test_an_https_issuer_has_a_host_cookie_with_or_without_a_path() -> None:
    for issuer in ISSUERS:
        assert cookie_name(issuer).startswith("__Host-") is issuer.startswith("https:")
    assert cookie_name("https://host.example") == "__Host-latchkey"


def test_the_description_of_the_api_names_the_cookie_of_this_issuer() -> None:
    for issuer in ISSUERS:
        made = complete({"info": {}, "components": {"schemas": {}}, "paths": {}}, issuer)
        assert made["components"]["securitySchemes"]["browser"]["name"] == cookie_name(issuer)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveServer, LiveServer]]:
    folder = tmp_path_factory.mktemp("pair")
    one, two = (LiveServer(folder / name).start() for name in ("one", "two"))
    yield one, two
    one.stop()
    two.stop()


def sign_in(http: httpx.Client, server: LiveServer, password: str | None = None) -> httpx.Response:
    found = TOKEN.search(http.get(f"{server.url}/login").text)
    assert found is not None
    form = {
        "csrf_token": found[1],
        "username": server.bootstrap["admin_username"],
        "password": password or server.bootstrap["admin_password"],
    }
    return http.post(f"{server.url}/login", data=form)


@pytest.mark.contract("two servers on one host, by port or by path, keep their sessions apart")
def test_one_cookie_jar_holds_a_session_at_each_of_two_ports(pair: tuple[LiveServer, LiveServer]) -> None:
    with httpx.Client(trust_env=False, verify=False, cookies=CookieJar()) as http:
        for server in pair:
            assert sign_in(http, server).status_code == 303
        for server in (*pair, *pair):
            assert http.get(f"{server.url}/account").status_code == 200
        page = http.get(f"{pair[0].url}/account").text
        found = TOKEN.search(page)
        assert found is not None
        assert http.post(f"{pair[0].url}/logout", data={"csrf_token": found[1]}).status_code == 303
        assert http.get(f"{pair[0].url}/account").status_code == 303
        assert http.get(f"{pair[1].url}/account").status_code == 200


def test_a_form_that_was_open_before_the_other_sign_in_still_works(pair: tuple[LiveServer, LiveServer]) -> None:
    one, two = pair
    with httpx.Client(trust_env=False, verify=False, cookies=CookieJar()) as http:
        found = TOKEN.search(http.get(f"{one.url}/login").text)
        assert sign_in(http, two).status_code == 303 and found is not None
        form = {"csrf_token": found[1], "username": "admin", "password": one.bootstrap["admin_password"]}
        assert http.post(f"{one.url}/login", data=form).status_code == 303


@pytest.mark.contract("two servers on one host, by port or by path, keep their sessions apart")
def test_chromium_holds_a_session_at_each_of_two_ports(pair: tuple[LiveServer, LiveServer], browser: Browser) -> None:
    with browser.page(new=True) as watched:
        page = watched.page
        for server in pair:
            watched.open(f"{server.url}/account/tokens")
            page.get_by_label("Username").fill(server.bootstrap["admin_username"])
            page.get_by_label("Password").fill(server.bootstrap["admin_password"])
            page.get_by_label("Password").press("Enter")
            page.wait_for_url(f"{server.url}/account/tokens")
        for server in (*pair, pair[0]):
            watched.open(f"{server.url}/account/tokens")
            assert page.get_by_role("button", name="Sign out").is_visible()
        names = {cookie["name"] for cookie in page.context.cookies()}
        assert names == {cookie_name(server.url) for server in pair}
