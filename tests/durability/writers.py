"""Two writers that change rights while many clients introspect: of a user, and of machines."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import httpx

from tests.api import Json, unique
from tests.durability.history import NEVER, Change, Rests
from tests.durability.workload import LONGEST, PATIENCE, QUESTIONS, UNANSWERED, Asked, Round

HASTE = 0.6  # seconds in which a first try must be answered: a node that is paused may do it later
LONGEST_WAIT = 0.4  # seconds in which the others hear what is true now
Act = Callable[[str], httpx.Response]  # what is done at the URL of a target


@dataclass(frozen=True)
class Attempt:
    """One try at a change; `response` is None when none came."""

    target: str
    began: float
    ended: float
    response: httpx.Response | None

    @property
    def acknowledged(self) -> bool:
        """Whether the answer says that it is done."""
        return self.response is not None and self.response.is_success

    @property
    def refused(self) -> bool:
        """Whether the answer says that nothing was done."""
        return self.response is not None and 400 <= self.response.status_code < 500


class Writer:
    """A writer: it sends its changes one after the other, each to a random target."""

    name = ""

    def __init__(self, during: Round, http: httpx.Client) -> None:
        """Take the round and the client to use."""
        self.round = during
        self.world = during.world
        self.http = http
        self.chance = Random(f"{during.seed} {self.name}")

    def in_any_order(self, *steps: Callable[[], None]) -> None:
        """Take the steps, and wait until the readers have seen the state before and after each."""
        for step in self.chance.sample(steps, len(steps)):
            self.wait()
            step()
        self.wait()

    def wait(self) -> None:
        """Wait until the readers have seen the current state."""
        enough = len(self.round.history) + self.chance.randrange(20, 60)
        deadline = time.monotonic() + LONGEST_WAIT
        while len(self.round.history) < enough and time.monotonic() < deadline:
            self.round.over.wait(0.005)

    def change(self, what: str, register: str, value: bool, act: Act) -> None:
        """Repeat a change until it is acknowledged; an unacknowledged try may still take effect."""
        for attempt in self._attempts(what, act):
            self._note(attempt, what, register, value)
            if attempt.acknowledged:
                return

    def off_and_on(self, register: str, path: str, off: Json, on: Json) -> None:
        """Remove something, and restore it."""
        for what, value, body in (("take", False, off), ("give", True, on)):
            self.change(what, register, value, self.managing("PATCH", path, body))
            self.wait()

    def issue(self, what: str, name: str, rests: Rests, act: Act, *, ends: str = "") -> Json | None:
        """Issue a credential for the readers, and return it.

        If that `ends` another one it is tried once, and gives None if nobody knows whether it was done.
        """
        for attempt in self._attempts(what, act):
            if ends:
                self._note(attempt, what, ends, False)
            if attempt.response is not None and attempt.acknowledged:
                made: Json = attempt.response.json()
                if name in rests.life:
                    self._note(attempt, what, name, True)
                secret = next(str(made[member]) for member in ("token", "key", "access_token") if member in made)
                self.round.asked[name] = Asked(rests, QUESTIONS, secret)
                return made
            if ends:
                return None
        return None

    def revoke(self, name: str, register: str = "", auth: tuple[str, str] | None = None) -> None:
        """Revoke a credential as its holder does; `register` is what that ends, if it is not named like it."""
        if name not in self.round.asked:
            return
        form, holder = {"token": self.round.asked[name].token}, _basic(auth)
        self.change(
            "revoke", register or name, False, lambda url: self.http.post(f"{url}/oauth/revoke", data=form, auth=holder)
        )

    def managing(self, method: str, path: str, body: Json, auth: tuple[str, str] | None = None) -> Act:
        """Return a call of the management API by its administrator or, with `auth`, by HTTP Basic."""
        headers, basic = ({} if auth else self.round.management), _basic(auth)
        return lambda url: self.http.request(method, f"{url}/api/v1{path}", json=body, headers=headers, auth=basic)

    def _note(self, attempt: Attempt, what: str, register: str, value: bool) -> None:
        ended = attempt.ended if attempt.acknowledged else NEVER
        self.round.history.append(Change(self.name, attempt.target, what, attempt.began, ended, register, value))

    def _attempts(self, what: str, act: Act) -> Iterator[Attempt]:
        """Try at random targets until the patience ends; stop at a refusal."""
        deadline, self.http.timeout = time.monotonic() + PATIENCE, httpx.Timeout(HASTE)
        while time.monotonic() < deadline:
            attempt = self._attempt(act)
            if attempt and attempt.refused:
                assert attempt.response is not None
                self.round.refused.append(f"{what} at {attempt.target}: {attempt.response.text[:300]}")
                return
            if attempt:
                yield attempt
            self.http.timeout = httpx.Timeout(LONGEST)
            self.round.over.wait(0.05)
        raise AssertionError(f"{what} was not acknowledged within {PATIENCE} s")

    def _attempt(self, act: Act) -> Attempt | None:
        """Try at one target; return None if the connection failed."""
        target, began = self.chance.choice(list(self.round.targets)), time.monotonic()
        try:
            response = act(self.round.targets[target])
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return None
        except httpx.TransportError:
            return Attempt(target, began, NEVER, None)
        if response.status_code >= 500 and response.status_code not in UNANSWERED:
            self.round.strange.append(f"a change at {target}: {response.status_code} {response.text[:300]}")
        return Attempt(target, began, time.monotonic(), response)


class UserWriter(Writer):
    """Changes a user, and what it holds: personal access tokens."""

    name = "user hand"

    def work(self) -> None:
        """Make tokens; then remove and restore rights, in any order."""
        path, role = f"/users/{self.world.user.id}", self.world.user_role["name"]
        self.make("pat 1")
        renewed = self.make("pat 2")
        self.in_any_order(
            lambda: self.off_and_on("role", path, {"roles": []}, {"roles": [role]}),
            lambda: self.off_and_on("user", path, {"enabled": False}, {"enabled": True}),
            lambda: self.regenerate(renewed),
            lambda: self.revoke("pat 1"),
            lambda: self.make_and_revoke("pat 3"),
        )
        self.go_on(4)

    def go_on(self, number: int) -> None:
        """Issue and revoke until the fault of the nodes is over, and once more."""
        while not self.round.calm.is_set():
            self.make_and_revoke(f"pat {number}")
            number += 1
        self.make_and_revoke(f"pat {number}")

    def make(self, name: str) -> Json | None:
        """Issue a token."""
        path, scopes = f"/users/{self.world.user.id}/personal-access-tokens", [self.world.read]
        return self.issue(
            "issue",
            name,
            self._rests(name),
            lambda url: self.managing("POST", path, {"name": unique("pat"), "scopes": scopes})(url),  # a name a try
        )

    def make_and_revoke(self, name: str) -> None:
        """Issue a token that soon ends."""
        self.make(name)
        self.wait()
        self.revoke(name)

    def regenerate(self, old: Json | None) -> None:
        """Regenerate the second token; if no answer came, revoke what is left."""
        if old is None:
            return
        act = self.managing("POST", f"/me/personal-access-tokens/{old['id']}/regenerate", {}, self.world.user.basic)
        if self.issue("regenerate", "pat 2 again", self._rests("pat 2 again"), act, ends="pat 2") is None:
            self.revoke("pat 2")

    def _rests(self, register: str) -> Rests:
        return Rests((register, "user"), ("role",))


class MachineWriter(Writer):
    """Changes a client, the tokens that it got, and API keys, one with a limit of its own."""

    name = "machine hand"

    def work(self) -> None:
        """Make keys and get tokens; then remove and restore rights, in any order."""
        path, role = f"/clients/{self.world.client.id}", self.world.machine_role["name"]
        rotated = self.key("key 1")
        limited = self.key("key 2", rate_limit={"requests": 1_000_000, "window_seconds": 60})
        self.get("m2m 1")
        self.in_any_order(
            lambda: self.off_and_on("machine role", path, {"roles": []}, {"roles": [role]}),
            lambda: self.off_and_on("client", path, {"enabled": False}, {"enabled": True}),
            lambda: self.rotate(rotated),
            lambda: self.rotate_and_revoke(limited),
            lambda: self.revoke("m2m 1", auth=self.world.client.basic),
            lambda: self.get("m2m 2"),
        )

    def key(self, name: str, **fields: object) -> Json | None:
        """Issue an API key."""
        body = {"name": unique("key"), "resource": self.world.identifier} | fields
        return self.issue("issue", name, Rests((name,)), self.managing("POST", "/api-keys", body))

    def get(self, name: str) -> None:
        """Get a token by client credentials."""
        form, client = {"grant_type": "client_credentials", "resource": self.world.identifier}, self.world.client.basic
        rests = Rests((name, "client"), ("machine role",))
        self.issue("grant", name, rests, lambda url: self.http.post(f"{url}/oauth/token", data=form, auth=client))

    def rotate(self, old: Json | None) -> None:
        """Rotate the first key without an overlap; if no answer came, revoke what is left."""
        if old is None:
            return
        act = self.managing("POST", f"/api-keys/{old['id']}/rotate", {"overlap_seconds": 0})
        if self.issue("rotate", "key 1 again", Rests(("key 1 again",)), act, ends="key 1") is None:
            self.revoke("key 1")

    def rotate_and_revoke(self, old: Json | None) -> None:
        """Rotate the second key with an overlap; revoking either secret revokes the whole key."""
        if old is None:
            return
        act = self.managing("POST", f"/api-keys/{old['id']}/rotate", {"overlap_seconds": 600})
        self.issue("rotate", "key 2 again", Rests(("key 2",)), act)
        self.wait()
        self.revoke("key 2 again", "key 2")


def _basic(auth: tuple[str, str] | None) -> httpx.Auth:
    return httpx.BasicAuth(*auth) if auth else httpx.Auth()
