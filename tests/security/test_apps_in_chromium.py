"""Pages of an attacker in real Chromium, whose visitor is signed in with us: frames, forms, what a callback learns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.api import Admin, Client, User, unique
from tests.browser import Browser
from tests.live import LiveServer
from tests.web.visitor import session_of

NATIVE = "com.example.photos:/cb"


@dataclass
class Evil:
    """A site that shows `page`, and keeps the path and the headers of each request."""

    page: str = ""
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Its address; for a browser, `localhost` is another site than 127.0.0.1."""
        return f"http://localhost:{self.port}"


@contextmanager
def evil_site() -> Iterator[Evil]:
    """Serve a page of an attacker on loopback."""
    site = Evil()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer everything with the page."""
            site.seen.append((self.path, dict(self.headers)))
            body = site.page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.port = server.server_address[1]
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def evil() -> Iterator[Evil]:
    with evil_site() as site:
        yield site


@pytest.fixture(scope="module")
def scope(admin: Admin) -> str:
    name = unique("photos")
    admin.resource(permissions=[name])
    return name


@pytest.fixture(scope="module")
def user(admin: Admin, scope: str) -> User:
    return admin.user([admin.role("user", [scope])])


def app_at(admin: Admin, *uris: str) -> Client:
    grants = ["authorization_code", "refresh_token"]
    return admin.client(token_endpoint_auth_method="none", grant_types=grants, redirect_uris=[*uris])


def request_of(server: LiveServer, app: Client, scope: str, **more: str) -> str:
    asked = {"response_type": "code", "client_id": app.client_id, "scope": scope, "state": "s"} | more
    asked |= {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}
    return f"{server.url}/oauth/authorize?{urlencode(asked)}"


@pytest.mark.spec("RFC 9700 §4.16")
@pytest.mark.asvs("3.4.6", "RFC 9700 §4.16")
@pytest.mark.contract("clickjacking")
def test_no_page_of_consent_opens_in_a_frame(
    browser: Browser, server: LiveServer, admin: Admin, user: User, scope: str, evil: Evil
) -> None:
    app = app_at(admin, f"{evil.url}/cb")
    with browser.page(cookies=session_of(server.url, user)) as watched:
        page = watched.page
        for address in (request_of(server, app, scope), f"{server.url}/device", f"{server.url}/account/apps"):
            evil.page = f'<h1>Win</h1><iframe src="{address.replace("&", "&amp;")}"></iframe>'
            page.goto(evil.url)
            page.wait_for_load_state("networkidle")
            [frame] = page.frames[1:]
            assert frame.url.startswith("chrome-error:"), frame.url
            assert not page.frame_locator("iframe").get_by_role("button").count()


@pytest.mark.spec("RFC 9700 §4.7")
@pytest.mark.asvs("3.3.2", "3.5.1")
@pytest.mark.contract("CSRF on consent")
def test_a_form_of_another_site_brings_no_session_along(
    browser: Browser, server: LiveServer, admin: Admin, user: User, scope: str, evil: Evil
) -> None:
    """`SameSite=Lax`, and the token of the form besides: the answer is refused before anybody is looked up."""
    app = app_at(admin, f"{evil.url}/cb")
    action = request_of(server, app, scope).replace("/authorize?", "/authorize/consent?").replace("&", "&amp;")
    cookies = [cookie | {"sameSite": "Lax"} for cookie in session_of(server.url, user)]  # as the answer sets it
    fields = f'<input name="decision" value="allow"><input name="scopes" value="{scope}"><button>Win</button>'
    with browser.page(cookies=cookies) as watched:
        page = watched.page
        evil.page = f'<form method="post" action="{action}">{fields}</form>'
        page.goto(evil.url)
        with page.expect_response("**/oauth/authorize/consent*") as answered:
            page.get_by_role("button", name="Win").click()
        assert answered.value.status == 400
        assert "latchkey" not in answered.value.request.all_headers().get("cookie", "")
        assert not [path for path, _ in evil.seen if "code=" in path]


@pytest.mark.spec("RFC 9700 §4.2.4")
@pytest.mark.asvs("3.4.5")
def test_the_callback_learns_the_code_and_nothing_of_our_pages(
    browser: Browser, server: LiveServer, admin: Admin, user: User, scope: str, evil: Evil
) -> None:
    callback = f"http://127.0.0.1:{evil.port}/cb"
    app = app_at(admin, callback)
    evil.page = '<a href="/next">next</a>'
    with browser.page(cookies=session_of(server.url, user)) as watched:
        page = watched.page
        page.goto(request_of(server, app, scope))
        page.get_by_role("button", name="Allow").click()
        page.wait_for_url(f"{callback}?*")
        first, headers = next((path, sent) for path, sent in evil.seen if path.startswith("/cb"))
        assert parse_qs(urlsplit(first).query)["code"][0].startswith("lk_code_")
        assert "Referer" not in headers
        page.goto(request_of(server, app, scope))  # agreed before: a chain of redirects alone
        page.wait_for_url(f"{callback}?*")
        assert all("Referer" not in sent for path, sent in evil.seen if path.startswith("/cb"))


@pytest.mark.spec("RFC 8252 §7.1")
def test_the_form_leads_to_an_app_with_a_scheme_of_its_own(
    browser: Browser, server: LiveServer, admin: Admin, user: User, scope: str
) -> None:
    """Chromium hands the address to the system, which has no such app here: it must not have stopped it before."""
    app = app_at(admin, NATIVE)
    with browser.page(cookies=session_of(server.url, user)) as watched:
        page = watched.page
        page.goto(request_of(server, app, scope))
        with page.expect_response("**/oauth/authorize/consent*") as answered:
            page.get_by_role("button", name="Allow").click()
        location = answered.value.all_headers()["location"]
        assert location.startswith(f"{NATIVE}?code=lk_code_")
        assert not [error for error in watched.errors if "Content Security Policy" in error or "form-action" in error]
