"""Two nodes over one store that are attacked: from any address, by any interface, with a clock that the test moves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from flask.testing import FlaskClient

from app import create_app
from app.actions.audit.actor import OPERATOR
from app.actions.directory.users import NewUser
from app.actions.limits.abuse import PASSWORDS_OF_ADDRESS, Counter
from app.models import AuditEvent
from tests.oauth.wire import ANY_TYPE, EXCHANGE, GRANT, ORDERS, Pair, Wire, basic, start_wire, stop_wire

PASSWORD = "correct horse battery staple"
HOME, ATTACKER, OTHER = "192.0.2.1", "198.51.100.66", "203.0.113.7"
GUESS = "lk_sec_" + "0" * 38
GARBAGE = "lk_pat_" + "0" * 38
LONGEST_WINDOW = PASSWORDS_OF_ADDRESS.window_seconds


@dataclass
class Siege:
    """The nodes; `alice`, `bob` and `carol` have passwords, `robot` a secret."""

    wire: Wire
    nodes: list[FlaskClient]
    redis_url: str = ""
    _before: int = 0

    def me(self, username: str, password: str, address: str = ATTACKER, node: int = 0, **headers: str) -> Any:
        """Ask for a user's profile by password."""
        sent = {"Authorization": basic(username, password)} | named(headers)
        return self.nodes[node].get("/api/v1/me", headers=sent, environ_base={"REMOTE_ADDR": address})

    def token(self, pair: Pair, address: str = ATTACKER, node: int = 0, endpoint: str = "token", **headers: str) -> Any:
        """Authenticate as a client, at any endpoint."""
        sent = {"Authorization": basic(*pair)} | named(headers)
        form = GRANT | {"resource": ORDERS, "token": "x"}
        return self._post(f"/oauth/{endpoint}", node, address, data=form, headers=sent)

    def asserted(self, form: Any, address: str = ATTACKER) -> Any:
        """Authenticate as a client by an assertion."""
        return self._post("/oauth/token", 0, address, data=GRANT | {"resource": ORDERS} | form)

    def forward_auth(self, credential: str | None, address: str = ATTACKER, node: int = 0, **headers: str) -> Any:
        """Ask forward-auth."""
        sent = ({"Authorization": f"Bearer {credential}"} if credential else {}) | named(headers)
        path, peer = f"/oauth/forward-auth?resource={ORDERS}", {"REMOTE_ADDR": address}
        return self.nodes[node].get(path, headers=sent, environ_base=peer)

    def exchange(self, subject: str, address: str = ATTACKER, auth: Pair | None = None) -> Any:
        """Exchange a credential."""
        form = {"grant_type": EXCHANGE, "subject_token": subject, "subject_token_type": ANY_TYPE}
        headers = {"Authorization": basic(*auth)} if auth else {}
        return self._post("/oauth/token", 0, address, data=form, headers=headers)

    def report(self, address: str = ATTACKER, node: int = 0, times: int = 1) -> Any:
        """Report a leak."""
        return self._post("/api/v1/credentials/revoke", node, address, json={"credentials": [GARBAGE] * times})

    def pass_seconds(self, seconds: int) -> None:
        """Advance the clock, and Redis, which has its own."""
        self.wire.core.clock.advance(seconds=seconds)
        if self.redis_url:
            with redis.Redis.from_url(self.redis_url) as kept:
                for key in kept.scan_iter():
                    kept.pexpire(key, max(1, kept.pttl(key) - seconds * 1000))
            _until_forgotten(self.redis_url)

    def traces(self, action: str) -> list[AuditEvent]:
        """Return the audit events of an action since the attack began."""
        return [event for event in self.wire.core.trace(action) if event.id > self._before]

    def begin(self) -> Siege:
        """Forget all failures and all known addresses."""
        database = self.wire.core.database
        self.pass_seconds(LONGEST_WINDOW)
        database.execute("DELETE FROM known_address")
        self._before = max((event.id for event in self.wire.core.trace()), default=0)
        return self

    def spend(self, counter: Counter, but: int = 0) -> None:
        """Count all failures of a limit but `but`: one by a request, the others directly in the storage."""
        self.wire.core.actions.abuse_limits.count(counter)
        hits, like = counter.limit.most - but, f"%{counter.key}%"
        if self.redis_url:
            with redis.Redis.from_url(self.redis_url) as kept:
                (key,) = kept.scan_iter(f"*{counter.key}*")
                kept.set(key, hits, keepttl=True)
        else:
            self.wire.core.database.execute(
                "UPDATE spent_limit SET hits = :hits WHERE key LIKE :like", hits=hits, like=like
            )

    def _post(self, path: str, node: int, address: str, **sent: Any) -> Any:
        return self.nodes[node].post(path, environ_base={"REMOTE_ADDR": address}, **sent)


def named(headers: dict[str, str]) -> dict[str, str]:
    """Write `_` as `-`."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


@contextmanager
def under_siege(folder: Path, redis_url: str = "", **settings: Any) -> Iterator[Siege]:
    """Return two nodes with their limits on."""
    wire = start_wire(folder, **{"rate_limits": "on", "redis_url": redis_url} | settings)
    for username in ("alice", "bob", "carol"):
        _person(wire, username)
    second = create_app(wire.core.actions.settings, wire.core.clock)
    yield Siege(wire, [wire.http, second.test_client()], redis_url)
    second.actions.usage.stop()
    second.actions.store.dispose()
    stop_wire(wire)


def _person(wire: Wire, username: str) -> None:
    users = wire.core.actions.users
    if username == "alice":  # whom the wire has already
        wire.core.delete(username)
    made = users.create(OPERATOR, NewUser(username, password=PASSWORD, roles=("clerk",)))
    wire.core._rows[username] = made.id


def _until_forgotten(url: str) -> None:
    deadline = time.monotonic() + 5
    with redis.Redis.from_url(url) as kept:
        while any(kept.pttl(key) < 5 for key in kept.scan_iter()):
            assert time.monotonic() < deadline
            time.sleep(0.002)


def must_wait(response: Any, content_type: str, longest: int) -> bool:
    """Return whether this is a 429 with Retry-After in whole seconds."""
    assert response.status_code == 429, f"{response.status_code} {response.text}"
    assert response.content_type == content_type
    assert response.headers["Retry-After"].isdigit()
    return 1 <= int(response.headers["Retry-After"]) <= longest
