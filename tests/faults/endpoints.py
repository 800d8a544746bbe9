"""One caller at every endpoint of a server, and the answer of each while the server cannot know."""

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from tests.api import Admin, unique
from tests.contract.world import create_world

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
INTERNALS = re.compile(r"Traceback|psycopg|sqlite3|sqlalchemy|SELECT |INSERT |File \"|lk_(pat|key|sec)_[0-9A-Za-z]{20}")
PROBLEM, OAUTH, HTML = "application/problem+json", "application/json", "text/html; charset=utf-8"
SPEAKS = {
    "introspection": OAUTH,
    "token": OAUTH,
    "revocation": OAUTH,
    "forward-auth": OAUTH,
    "keys": OAUTH,
    "list": PROBLEM,
    "creation": PROBLEM,
    "page": HTML,
}
READS = ("introspection", "token", "forward-auth", "keys", "list", "page")
WRITES = ("revocation", "creation")
WELL = dict.fromkeys(SPEAKS, 200) | {"creation": 201}


class Endpoints:
    """Sends each endpoint the same request again and again, and returns the answers, also 5xx."""

    def __init__(self, admin: Admin) -> None:
        """Make a world, a live and a revoked token in it, and sign a user in."""
        world = create_world(admin)
        self.bearer, self.world = admin.token(), world
        self.live, self.revoked = world.issue("pat").token, world.issue("pat").token
        self.spare = world.issue("pat").token
        assert admin.revoke(self.revoked).status_code == 200
        self.server = world.resource_server.basic
        self.http = httpx.Client(base_url=admin.server.url, timeout=30, trust_env=False, verify=False)
        self._sign_in(world.user.basic)
        self.ask_all()  # fill every cache

    def ask(self, endpoint: str, http: httpx.Client | None = None) -> httpx.Response:
        """Ask one endpoint; thread-safe when each thread has its own client."""
        method, path, options = self._requests()[endpoint]
        return (http or self.http).request(method, path, **options)

    def ask_all(self, endpoints: Iterable[str] = SPEAKS) -> dict[str, httpx.Response]:
        """Ask each of these endpoints once."""
        return {endpoint: self.ask(endpoint) for endpoint in endpoints}

    def introspect(self, token: str) -> httpx.Response:
        """Ask about a token as its resource server does."""
        return self.http.post("/oauth/introspect", data={"token": token}, auth=self.server)

    def await_all(self, seconds: float = 15) -> None:
        """Wait until every endpoint answers as it should, without anybody's help."""
        deadline = time.monotonic() + seconds
        while (heard := {endpoint: answer.status_code for endpoint, answer in self.ask_all().items()}) != WELL:
            assert time.monotonic() < deadline, heard
            time.sleep(0.1)
        assert self.introspect(self.live).json()["active"] is True
        assert self.introspect(self.revoked).json() == {"active": False}

    def _requests(self) -> Mapping[str, tuple[str, str, dict[str, Any]]]:
        bearer, client = {"Authorization": f"Bearer {self.bearer}"}, self.world.client.basic
        made = {"identifier": f"https://{unique('api')}.example", "name": "x"}
        passing = {"headers": {"Authorization": f"Bearer {self.live}", "Accept": "text/html"}}
        return {
            "introspection": ("POST", "/oauth/introspect", {"data": {"token": self.live}, "auth": self.server}),
            "token": ("POST", "/oauth/token", {"data": {"grant_type": "client_credentials"}, "auth": client}),
            "revocation": ("POST", "/oauth/revoke", {"data": {"token": self.spare}}),
            "forward-auth": ("GET", f"/oauth/forward-auth?resource={self.world.identifier}", passing),
            "keys": ("GET", "/.well-known/jwks.json", {}),
            "list": ("GET", "/api/v1/resources?limit=1", {"headers": bearer}),
            "creation": ("POST", "/api/v1/resources", {"headers": bearer, "json": made}),
            "page": ("GET", "/account", {"headers": {"Accept": "text/html,*/*;q=0.8"}}),
        }

    def _sign_in(self, user: tuple[str, str]) -> None:
        found = TOKEN.search(self.http.get("/login").text)
        assert found is not None
        form = {"csrf_token": found[1], "username": user[0], "password": user[1]}
        assert self.http.post("/login", data=form).status_code == 303


def assert_unavailable(endpoint: str, answer: httpx.Response) -> None:
    """Assert that an answer is a 503 in the format of its endpoint, without further details."""
    assert answer.status_code == 503, (endpoint, answer.status_code, answer.text[:300])
    assert answer.headers["Content-Type"] == SPEAKS[endpoint], endpoint
    assert int(answer.headers["Retry-After"]) >= 1 and answer.headers["X-Request-Id"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert not INTERNALS.search(answer.text), (endpoint, answer.text)
    assert "active" not in answer.text
    if SPEAKS[endpoint] == PROBLEM:
        assert (answer.json()["status"], answer.json()["title"]) == (503, "Service Unavailable")
    elif SPEAKS[endpoint] == OAUTH:
        assert answer.json()["error"] == "temporarily_unavailable"  # RFC 6749 §4.1.2.1
    else:
        assert "<h1>Service Unavailable</h1>" in answer.text and "script" not in answer.text


def assert_no_leak(log: str) -> None:
    """Assert that what a server printed has no secret and no stack trace as Python writes it."""
    assert "Traceback" not in log
    assert not re.search(r"lk_(pat|key|sec)_[0-9A-Za-z]{38}|eyJ[A-Za-z0-9_-]{20,}\.", log.split("\n{", 1)[-1])
