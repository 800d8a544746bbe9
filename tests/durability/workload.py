"""The simultaneous requests of many clients of several nodes, and all their answers."""

import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import product
from random import Random

import httpx

from tests.api import Admin
from tests.contract.world import World, create_world
from tests.durability.history import NEVER, Change, Heard, Operation, Question, Rests

PATIENCE = 20.0  # seconds until a change must have been acknowledged, or a node must answer again
LONGEST = 3.0  # seconds that a client waits for an answer
UNANSWERED = (502, 503, 504)
BY_STATUS: Mapping[str, Mapping[int, Heard]] = {
    "forward-auth": {200: Heard.LIVE, 403: Heard.BARE, 401: Heard.DEAD},
    "grant": {200: Heard.LIVE, 400: Heard.BARE, 401: Heard.DEAD},
}
QUESTIONS = ("introspect", "introspect", "forward-auth")  # ways to ask about a credential
Targets = Mapping[str, str]


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()  # dear to make, and unused: httpx wants one a client


@contextmanager
def clients() -> Iterator[Iterator[httpx.Client]]:
    """Yield HTTP clients that wait for a few seconds and accept any status; close them after the block."""
    with ExitStack() as open_ones:

        def endless() -> Iterator[httpx.Client]:
            while True:
                yield open_ones.enter_context(httpx.Client(timeout=LONGEST, trust_env=False, verify=_trusted()))

        yield endless()


@dataclass(frozen=True)
class Asked:
    """The subject of a request: a credential's secret, or (`token` empty) whether a client gets a token."""

    rests: Rests
    ways: tuple[str, ...]
    token: str = ""


class Round:
    """A new organisation, and the history of the requests and answers of its clients."""

    def __init__(self, admin: Admin, targets: Targets, seed: str) -> None:
        """Take where one may ask (name and URL) and what chance begins with; every node must answer."""
        self.seed = seed
        self.targets = dict(targets)
        self.over, self.calm = threading.Event(), threading.Event()  # the round; what befalls its nodes
        self.history: list[Operation] = []
        self.asked: dict[str, Asked] = {}
        self.failures: Counter[str] = Counter()  # of questions, by how
        self.strange: list[str] = []  # answers that nothing excuses
        self.refused: list[str] = []  # changes that were: only a lost one explains it
        began = time.monotonic()
        self.world = create_world(admin)
        self.management = {"Authorization": f"Bearer {admin.token()}"}
        for register in ("user", "role", "client", "machine role"):
            self.history.append(Change("found", "node 0", "create", began, time.monotonic(), register, True))
        self.asked["client"] = Asked(Rests(("client",), ("machine role",)), ("grant",))

    @property
    def answers(self) -> list[Question]:
        """The answers so far."""
        return [done for done in list(self.history) if isinstance(done, Question)]

    @property
    def changes(self) -> list[Change]:
        """The changes so far, also uncertain ones."""
        return [done for done in list(self.history) if isinstance(done, Change)]

    @property
    def lost(self) -> list[Change]:
        """The uncertain changes: they got no answer."""
        return [change for change in self.changes if change.ended == NEVER]

    def summary(self) -> str:
        """Return the counts of a round as text."""
        counted = f"{len(self.answers)} answers, {len(self.changes)} changes, {len(self.lost)} of them lost"
        return f"{counted}, questions without an answer: {dict(self.failures)}"

    @property
    def credentials(self) -> dict[str, Rests]:
        """The registers of each credential, for the checker."""
        return {name: asked.rests for name, asked in self.asked.items()}

    def ask_on(self, number: int, http: httpx.Client) -> None:
        """Send random requests to random targets until the round is over."""
        chance, client = Random(f"{self.seed} asks {number}"), f"client {number}"
        while not self.over.is_set():
            name, target = chance.choice(list(self.asked)), chance.choice(list(self.targets))
            self.ask(http, client, target, name, chance.choice(self.asked[name].ways))
            self.over.wait(0.02)  # leaves the machine to a node that starts

    def ask(self, http: httpx.Client, client: str, target: str, name: str, way: str) -> Heard | None:
        """Send one request about one credential, and record its answer; None without an answer."""
        began = time.monotonic()
        try:
            response = _WAYS[way](self.world, http, self.targets[target], self.asked[name].token)
        except httpx.TransportError as error:
            self.failures[type(error).__name__] += 1
            return None
        ended, heard = time.monotonic(), _heard(way, response)
        if heard is not None:
            self.history.append(Question(client, target, way, began, ended, name, heard))
        elif response.status_code in UNANSWERED:
            self.failures[str(response.status_code)] += 1
        else:
            self.strange.append(f"{way} at {target}: {response.status_code} {response.text[:300]}")
        return heard

    def ask_everywhere(self, http: httpx.Client) -> None:
        """Send a request about every credential to every target; each must answer soon."""
        for target, (name, asked) in product(self.targets, self.asked.items()):
            deadline = time.monotonic() + PATIENCE
            while self.ask(http, "the last client", target, name, asked.ways[0]) is None:
                assert time.monotonic() < deadline, f"{target} does not answer again: {self.failures}"
                time.sleep(0.05)


def _heard(way: str, response: httpx.Response) -> Heard | None:
    if way in BY_STATUS:
        return BY_STATUS[way].get(response.status_code)
    if response.status_code != 200:
        return None
    answer = response.json()
    if not answer["active"]:
        return Heard.DEAD
    return Heard.LIVE if answer["scope"] else Heard.BARE


def _introspect(world: World, http: httpx.Client, url: str, token: str) -> httpx.Response:
    return http.post(f"{url}/oauth/introspect", data={"token": token}, auth=world.resource_server.basic)


def _forward_auth(world: World, http: httpx.Client, url: str, token: str) -> httpx.Response:
    asked = {"resource": world.identifier, "scope": world.read}
    return http.get(f"{url}/oauth/forward-auth", params=asked, headers={"Authorization": f"Bearer {token}"})


def _grant(world: World, http: httpx.Client, url: str, _token: str) -> httpx.Response:
    form = {"grant_type": "client_credentials", "resource": world.identifier}
    return http.post(f"{url}/oauth/token", data=form, auth=world.client.basic)


_WAYS: Mapping[str, Callable[[World, httpx.Client, str, str], httpx.Response]] = {
    "introspect": _introspect,
    "forward-auth": _forward_auth,
    "grant": _grant,
}
