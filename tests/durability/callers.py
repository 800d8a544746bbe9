"""Callers during a rotation of secrets: each sends requests all the time, and fails on a wrong refusal."""

import itertools
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import unescape
from typing import Any

import httpx
import jwt
from jwt.api_jwk import PyJWTSetWithTimestamp

from tests.api import Json, User, expect
from tests.contract.world import World
from tests.live import PATIENCE

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # made once: it costs more than a request
PAUSE = 0.1  # seconds between two questions of one caller
FORM_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Targets:
    """The nodes: requests go to them in turn by a new connection, as a balancer sends them; a node can be drained."""

    def __init__(self, *urls: str) -> None:
        self._urls = urls
        self._turn = itertools.count()
        self._drained = ""
        self._under_way: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def drained(self, url: str) -> Iterator[None]:
        """Send this node no request while the block runs; wait for its open requests before the block."""
        self._drained = url
        until(lambda: not self._under_way[url])
        yield
        self._drained = ""

    def only(self, url: str) -> None:
        """Send all further requests to this node."""
        self._urls = (url,)

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request; after a refused connection try another node."""
        deadline = time.monotonic() + PATIENCE
        while True:
            url = self._urls[next(self._turn) % len(self._urls)]
            self._count(url, +1)
            try:
                if url != self._drained:
                    with httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False, verify=NO_TLS) as http:
                        return http.request(method, path, **options)
            except httpx.ConnectError:
                pass
            finally:
                self._count(url, -1)
            assert time.monotonic() < deadline, "no node takes connections"
            time.sleep(0.02)

    def _count(self, url: str, by: int) -> None:
        with self._lock:
            self._under_way[url] += by


class Verifier(jwt.PyJWKClient):
    """Caches the JWK set as long as allowed, and does not refresh it earlier for an unknown `kid`."""

    def __init__(self, targets: Targets, seconds: float) -> None:
        super().__init__("http://127.0.0.1/", lifespan=seconds)
        self._doors = targets

    def fetch_data(self) -> Any:
        """Read the set from whichever node; it counts from when it was asked for, however slow the machine is."""
        began = time.monotonic()
        data = expect(200, self._doors("GET", "/.well-known/jwks.json")).json()
        assert self.jwk_set_cache is not None
        kept = PyJWTSetWithTimestamp(jwt.PyJWKSet.from_dict(data))
        kept.timestamp = began
        self.jwk_set_cache.jwk_set_with_timestamp = kept
        return data

    def __call__(self, token: str, world: World) -> Json:
        """Return the claims of a token that must be valid."""
        kid = jwt.get_unverified_header(token)["kid"]
        known = {key.key_id: key for key in self.get_jwk_set().keys}
        assert kid in known, "signed with a key that was not published for long enough"
        claims: Json = jwt.decode(
            token, known[kid], algorithms=["ES256"], audience=world.identifier, issuer=world.admin.issuer
        )
        return claims


class Browser:
    """Signed in once; opens pages and sends forms, the one it opened first among them."""

    def __init__(self, targets: Targets, user: User) -> None:
        self._doors = targets
        self.cookies: dict[str, str] = {}
        page = self._ask("GET", "/login")
        form = {"username": user.username, "password": user.password, "csrf_token": _form_token(page)}
        expect(303, self._ask("POST", "/login", data=form))
        self.first_form = self.open_form()

    def __call__(self) -> None:
        """Open a page and send its form, then the form that was opened first."""
        for token in (self.open_form(), self.first_form):
            answer = expect(303, self._ask("POST", "/account/sessions/end-others", data={"csrf_token": token}))
            assert answer.headers["Location"].endswith("/account"), "signed out"

    def open_form(self) -> str:
        """Open a page with a form, and return the token in it."""
        return _form_token(expect(200, self._ask("GET", "/account")))

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self._doors(method, path, headers={"Cookie": cookie}, **options)
        self.cookies |= dict(answer.cookies)
        return answer


class Callers:
    """What programs do all day, by what they hold at the moment: `basic` and `key` can be exchanged under way."""

    def __init__(self, world: World, targets: Targets, verifier_keeps: float) -> None:
        self.world, self.targets = world, targets
        self.basic, self.key = world.client.basic, world.issue("api_key").token
        self.pat, self.jwt = world.issue("pat").token, world.issue("m2m").token
        self.verify = Verifier(targets, verifier_keeps)
        self.kids: list[str] = []
        self.browser = Browser(targets, world.user)
        self.works: Mapping[str, Callable[[], None]] = {
            "token": self.token,
            "introspection": self.introspection,
            "forward-auth": self.forward_auth,
            "exchange": self.exchange,
            "browser": self.browser,
        }

    def token(self) -> None:
        """Get a token, verify it locally, and have it introspected by another node."""
        token = expect(200, self.ask_token(self.basic)).json()["access_token"]
        self.verify(token, self.world)
        self.kids.append(jwt.get_unverified_header(token)["kid"])
        assert self.active(token)

    def introspection(self) -> None:
        """Ask about one of each kind: two that were issued before anything was rotated, and the key of now."""
        assert all(self.active(token) for token in (self.pat, self.key, self.jwt))
        self.verify(self.jwt, self.world)

    def forward_auth(self) -> None:
        """Send a request through the gateway."""
        query = {"resource": self.world.identifier, "scope": self.world.read}
        expect(200, self.targets("GET", "/oauth/forward-auth", params=query, headers={"X-API-Key": self.key}))

    def exchange(self) -> None:
        """Exchange a personal access token and verify the JWT locally."""
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": self.pat,
            "subject_token_type": "urn:latchkey:token-type:personal_access_token",
        }
        answer = expect(200, self.targets("POST", "/oauth/token", data=form)).json()
        self.verify(answer["access_token"], self.world)

    def active(self, token: str) -> bool:
        """Introspect at any node as the resource server."""
        answer = self.targets("POST", "/oauth/introspect", data={"token": token}, auth=self.world.resource_server.basic)
        return bool(expect(200, answer).json()["active"])

    def ask_token(self, basic: tuple[str, str]) -> httpx.Response:
        """Request a token from any node."""
        return self.targets("POST", "/oauth/token", data={"grant_type": "client_credentials"}, auth=basic)


class Load:
    """A thread for each work, which repeats it until the end."""

    def __init__(self, works: Mapping[str, Callable[[], None]]) -> None:
        self._works = works
        self._over = threading.Event()
        self.done: Counter[str] = Counter()
        self.refused: list[str] = []

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """Run during the block; fail if a request was refused, or if a work never succeeded."""
        threads = [threading.Thread(target=self._repeat, args=one) for one in self._works.items()]
        for thread in threads:
            thread.start()
        try:
            self.go_on()
            yield self
            self.go_on()
        finally:
            self._over.set()
            for thread in threads:
                thread.join(PATIENCE)
        assert self.refused == [], f"{len(self.refused)} of {self.done.total()}: {self.refused[0]}"

    def go_on(self, times: int = 2) -> None:
        """Wait until each has done its work several times more: the requests from before are over."""
        aims = {name: self.done[name] + times for name in self._works}
        until(lambda: bool(self.refused) or all(self.done[name] >= aim for name, aim in aims.items()))
        assert self.refused == [], self.refused[0]

    def _repeat(self, name: str, work: Callable[[], None]) -> None:
        while not self._over.wait(PAUSE):
            try:
                work()
                self.done[name] += 1
            except Exception as error:
                self.refused.append(f"{name}: {type(error).__name__} {error}"[:500])


def until(holds: Callable[[], bool], what: str = "it took too long") -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def _form_token(page: httpx.Response) -> str:
    found = FORM_TOKEN.search(page.text)
    assert found, "a page without a form"
    return unescape(found[1])
