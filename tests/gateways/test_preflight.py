"""A gateway answers a CORS preflight itself, for configured origins; nothing reaches the API without a credential."""

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from tests.browser import Browser
from tests.gateways.conftest import APP, Shop, gateway_values
from tests.gateways.programs import IN_FRONT_OF_APIS, RECIPES, Gateway, Upstream, running
from tests.gateways.test_paths import port_of
from tests.gateways.test_recipes import bearer, reached

ALLOW, EXPOSE = "Access-Control-Allow-Origin", "Access-Control-Expose-Headers"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key,content-type"}
PREFLIGHT = {"Origin": APP} | ASKS
STRANGERS = (
    "https://evil.example",
    "null",
    "*",
    "",
    f"{APP}.evil.example",
    f"{APP}:443",
    f"{APP}/",
    f"{APP}, https://evil.example",
    f"https://evil.example {APP}",
    "https://appsexample",
    "https://app",
    "http://app.example",
    "https://evil.example/https://app.example",
    "https://user@app.example",
    "~.*",
    "${APP_ORIGIN}",
)
SPELLINGS = ("OPTIONS", "options", "Options", "OPTION", "OPTIONSX", "X-OPTIONS")
METHODS = (*SPELLINGS, "GET", "POST", "FOO", "TRACE")
TARGETS = ("/orders", "/", "//orders", "/orders?x=1", "*", "http://elsewhere.example/orders", "/_latchkey", "/local")
OF_AN_API = ("Allow-Credentials", "Allow-Methods", "Allow-Headers", "Allow-Private-Network", "Max-Age")
FETCH = """async ([url, headers]) => {
    try {
        const answer = await fetch(url, {method: "POST", body: "one apple", headers})
        return [answer.status, await answer.text(), answer.headers.get("WWW-Authenticate")]
    } catch (error) { return "blocked" }
}"""
VARIABLE = re.compile(r"\$\{APP_ORIGIN(-none)?\}|\{\$APP_ORIGIN\}")
ORIGINS = (
    (f"Origin: {APP}",),
    (f"origin:{APP}",),
    (f"ORIGIN: {APP.upper()}",),
    (f"Origin: {APP}", f"Origin: {APP}"),
    (f"Origin: {APP}", "Origin: https://evil.example"),
    ("Origin: https://evil.example", f"Origin: {APP}"),
    (f"Origin: {APP}", "Origin: "),
    (f"Origin_: {APP}",),
    ("Origin: https://evil.example",),
    ("Origin: x:y",),
)
ASKED = (
    ("Access-Control-Request-Method: POST",),
    ("Access_Control-Request-Method: x:y",),
    ("X-HTTP-Method-Override: OPTIONS", "Connection: Origin, X-API-Key"),
)


def raw(gateway: Gateway, method: str, target: str, *lines: str) -> str:
    """Return the head of the response to a request that no HTTP library would send."""
    head = (f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{port_of(gateway)}", "Connection: close", *lines)
    with socket.create_connection(("127.0.0.1", port_of(gateway)), timeout=10) as connection:
        connection.sendall("\r\n".join((*head, "", "")).encode())
        return b"".join(iter(lambda: connection.recv(65_536), b"")).decode("latin-1").partition("\r\n\r\n")[0]


def vary(answer: httpx.Response) -> set[str]:
    return {name.strip().lower() for name in answer.headers.get("Vary", "").split(",")}


def is_kept_apart(answer: httpx.Response) -> bool:
    """Return whether no cache serves the response to a page of another origin."""
    return "origin" in vary(answer) or answer.headers.get("Cache-Control") == "no-store"


def cors(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


@pytest.mark.contract("gateways answer a CORS preflight of a configured origin, and let no OPTIONS through")
def test_a_preflight_of_a_configured_origin_is_answered_by_the_gateway(gateway: Gateway, upstream: Upstream) -> None:
    for path in ("/orders", "/local/orders", "/"):
        answer = gateway.http.options(path, headers=PREFLIGHT)
        assert answer.status_code in (200, 204) and answer.content == b""
        assert answer.headers.get_list(ALLOW) == [APP] and "origin" in vary(answer)
        assert "Access-Control-Allow-Credentials" not in answer.headers and "WWW-Authenticate" not in answer.headers
        methods = answer.headers["Access-Control-Allow-Methods"].replace(" ", "").split(",")
        assert methods == ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
        headers = answer.headers["Access-Control-Allow-Headers"].lower().replace(" ", "").split(",")
        assert headers == ["authorization", "x-api-key", "dpop", "content-type"]
        assert answer.headers["Access-Control-Max-Age"] == "600"
    assert reached(upstream) == []


@pytest.mark.contract("gateways answer a CORS preflight of a configured origin, and let no OPTIONS through")
def test_a_preflight_of_another_origin_needs_a_credential(gateway: Gateway, upstream: Upstream) -> None:
    for origin in STRANGERS:
        answer = gateway.http.options("/orders", headers={"Origin": origin} | ASKS)
        assert answer.status_code == 401 and cors(answer) == {} and is_kept_apart(answer), origin
    assert reached(upstream) == []


def test_an_options_request_that_is_not_a_preflight_needs_a_credential(gateway: Gateway, upstream: Upstream) -> None:
    for headers in ({}, {"Origin": APP}, ASKS, {"Origin": APP, "Access-Control-Request-Method": ""}):
        assert gateway.http.options("/orders", headers=headers).status_code == 401, headers
    assert reached(upstream) == []


@pytest.mark.contract("gateways answer a CORS preflight of a configured origin, and let no OPTIONS through")
@pytest.mark.parametrize("method", METHODS)
def test_no_spelling_of_a_preflight_reaches_the_api(gateway: Gateway, upstream: Upstream, method: str) -> None:
    all_lines = [(*origin, *asked) for origin, asked in product(ORIGINS, ASKED)]
    for target, lines in [*product(TARGETS, [(*ORIGINS[0], *ASKED[0])]), *product(TARGETS[:1], all_lines)]:
        head = raw(gateway, method, target, *lines)
        allowed = [line for line in head.lower().splitlines() if line.startswith(ALLOW.lower())]
        assert allowed in ([], [f"{ALLOW.lower()}: {APP}"]), (target, lines)
        assert "evil" not in head and "x:y" not in head, (target, lines)
    assert reached(upstream) == []


def test_a_page_reads_answers_and_refusals(gateway: Gateway, shop: Shop, upstream: Upstream) -> None:
    upstream.sends = [("Vary", "Accept"), ("X-Request-Id", "from the API")]
    for condition, status in (("good", 200), ("narrow", 403), ("revoked", 401)):
        headers = {"Origin": APP} | bearer(shop.issue("api_key", condition))
        answer = gateway.http.post("/orders", headers=headers)
        assert answer.status_code == status
        assert answer.headers.get_list(ALLOW) == [APP] and "Access-Control-Allow-Credentials" not in answer.headers
        exposed = answer.headers[EXPOSE].lower().replace(" ", "").split(",")
        assert exposed == ["dpop-nonce", "retry-after", "www-authenticate", "x-request-id"]
        assert vary(answer) >= ({"origin", "accept"} if condition == "good" else {"origin"})
    assert gateway.http.get("/orders", headers={"Origin": APP}).headers.get_list(ALLOW) == [APP]
    assert len(reached(upstream)) == 1


def test_no_other_page_reads_an_answer(gateway: Gateway, shop: Shop, upstream: Upstream) -> None:
    upstream.sends = [(ALLOW, "*"), ("Access-Control-Allow-Private-Network", "true"), (EXPOSE, "X-Orders")]
    headers: list[dict[str, str]] = [{}, *({"Origin": origin} for origin in STRANGERS)]
    for one, credential in product(headers, ({}, bearer(shop.issue("api_key", "good")))):
        answer = gateway.http.get("/orders", headers=one | credential)
        assert answer.status_code == (200 if credential else 401)
        assert cors(answer) == {} and is_kept_apart(answer), one


def test_the_headers_of_an_api_that_knows_cors_are_not_doubled(
    gateway: Gateway, shop: Shop, upstream: Upstream
) -> None:
    upstream.sends = [(ALLOW, "*"), (ALLOW, APP), (EXPOSE, "X-Orders"), ("Vary", "Origin")]
    upstream.sends += [(f"Access-Control-{name}", "true") for name in OF_AN_API]
    answer = gateway.http.get("/orders", headers={"Origin": APP} | bearer(shop.issue("api_key", "good")))
    assert answer.headers.get_list(ALLOW) == [APP] and len(answer.headers.get_list(EXPOSE)) == 1
    assert set(cors(answer)) == {ALLOW.lower(), EXPOSE.lower()}


@pytest.fixture(scope="module")
def pages() -> Iterator[Callable[[], str]]:
    """Start servers of an empty page, each an origin of its own."""
    with ExitStack() as stack:
        yield lambda: f"http://{stack.enter_context(Upstream.running()).address}"


def call(page: Page, url: str, headers: dict[str, str]) -> Any:
    """Return what a script of the page reads of the API's answer, or the word "blocked"."""
    return page.evaluate(FETCH, [url, headers])


@pytest.mark.contract("gateways answer a CORS preflight of a configured origin, and let no OPTIONS through")
@pytest.mark.parametrize("name", IN_FRONT_OF_APIS)
def test_chromium_calls_the_api_from_a_configured_origin_alone(
    name: str, shop: Shop, upstream: Upstream, pages: Callable[[], str], browser: Browser, tmp_path: Path
) -> None:
    origin, key = pages(), shop.issue("api_key", "good")
    values = gateway_values(shop, upstream) | {"APP_ORIGIN": origin}
    sent = bearer(key) if name == "apache" else {"X-API-Key": key}
    with running(name, tmp_path / name, values) as gateway, browser.page() as watched:
        url = str(gateway.http.base_url.join("/orders"))
        watched.page.goto(origin)
        assert call(watched.page, url, sent) == [200, "one apple", None]
        status, _, challenge = call(watched.page, url, bearer("garbage"))
        assert status == 401 and challenge.startswith("Bearer") and len(reached(upstream)) == 1
        watched.page.goto(pages())
        assert call(watched.page, url, sent) == "blocked"
        assert reached(upstream) == []


@pytest.mark.parametrize("name", IN_FRONT_OF_APIS)
def test_an_origin_is_added_in_one_place_and_without_one_no_page_is_answered(
    name: str, shop: Shop, upstream: Upstream, tmp_path: Path
) -> None:
    more, recipes = "https://second.example", tmp_path / "recipes"
    shutil.copytree(RECIPES, recipes)
    for recipe in (path for path in recipes.iterdir() if path.is_file()):
        recipe.write_text(with_origin(recipe.read_text(encoding="utf-8"), more), encoding="utf-8")
    values = gateway_values(shop, upstream)
    with running(name, tmp_path / "two", values, recipes) as gateway:
        for origin in (APP, more):
            answer = gateway.http.options("/orders", headers=PREFLIGHT | {"Origin": origin})
            assert answer.status_code in (200, 204) and answer.headers.get_list(ALLOW) == [origin]
            refused = gateway.http.get("/orders", headers={"Origin": origin})
            assert refused.status_code == 401 and refused.headers.get_list(ALLOW) == [origin]
    del values["APP_ORIGIN"]
    with running(name, tmp_path / "none", values) as gateway:
        for headers in (ASKS, *({"Origin": origin} | ASKS for origin in ("", APP, more, "null"))):
            answer = gateway.http.options("/orders", headers=headers)
            assert answer.status_code == 401 and cors(answer) == {}, headers
    assert reached(upstream) == []


def with_origin(recipe: str, origin: str) -> str:
    """Add an origin as the recipe says: by a further line, or by a further item of the list."""
    lines = []
    for line in recipe.replace('(list (env "APP_ORIGIN"))', f'(list (env "APP_ORIGIN") "{origin}")').splitlines():
        lines.append(line)
        if VARIABLE.search(line) and not line.startswith("#"):
            lines.append(VARIABLE.sub(origin, line))
    return "\n".join([*lines, ""])
