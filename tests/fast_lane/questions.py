"""Requests about a credential of each kind, for both lanes, and the first answers to them."""

from datetime import timedelta
from typing import Any

from sqlalchemy import event

from app.actions.directory.lifetime import AskedLifetime
from tests.core import ORDERS
from tests.fast_lane.lanes import Asked, Lanes, basic

BOTH = "orders:read orders:write"
GRANT = "grant_type=client_credentials&scope=orders:read"


class Scene:
    """A credential of each kind, the questions about them, and what was answered before."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes, self.core = lanes, lanes.core
        self.pat, token = self.core.pat("alice", *BOTH.split(), lifetime=AskedLifetime(expires_in=3000))
        self.key, key = self.core.key(expires_at=self.core.clock() + timedelta(seconds=2000))
        m2m = self.core.m2m("robot", "orders:read")
        exchanged = self.core.exchange(key, client_id="robot")
        self.core.app("reader")
        self.oauth = self.core.delegate("alice", "reader", "orders:read")
        self.tokens = {"pat": token, "key": key, "m2m": m2m, "exchanged": exchanged}
        self.tokens["oauth"] = self.oauth.access.token
        self.asked = {name: self._introspect(token) for name, token in self.tokens.items()}
        self.asked |= {f"{name} passes": self._pass(token) for name, token in self.tokens.items()}
        self.asked["issue"] = Asked("/oauth/token", body=GRANT.encode(), headers=self._by(lanes.wire.robot))
        self.before = self.answers()
        assert all(lanes.fast(asked).taken for asked in self.asked.values())

    def answers(self) -> dict[str, Any]:
        """Ask everything, of both lanes; gives what both say."""
        said = {}
        for name, asked in self.asked.items():
            fast, plain = self.lanes.fast(asked), self.lanes.plain(asked)
            assert (fast.status, fast.headers, fast.body) == (plain.status, plain.headers, plain.body), name
            said[name] = (fast.status, fast.body, fast.headers if name.endswith("passes") else None)
        return said

    def changed(self) -> set[str]:
        """Name the questions that are answered otherwise than before."""
        return {name for name, answer in self.answers().items() if answer != self.before[name]}

    def answered_by_lane(self) -> set[str]:
        """Name the questions that the lane answers without asking the database for more than the epoch."""
        seen: list[str] = []
        with self.core.store.connection() as connection:
            event.listen(connection, "before_cursor_execute", lambda *executed: seen.append(executed[2]))
        kept = set()
        for name, asked in self.asked.items():
            seen.clear()
            if self.lanes.fast(asked).taken and not seen:
                kept.add(name)
        return kept

    def _introspect(self, token: str) -> Asked:
        body = f"token={token}".encode()
        return Asked("/oauth/introspect", body=body, headers=self._by(self.lanes.wire.shop))

    def _pass(self, token: str) -> Asked:
        return Asked("/oauth/forward-auth", "GET", query=f"resource={ORDERS}", headers={"X_API_KEY": token})

    def _by(self, pair: tuple[str, str]) -> dict[str, str]:
        return {"AUTHORIZATION": basic(pair)}
