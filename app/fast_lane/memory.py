"""What a process remembers between two changes of authority: bounded, by digests, never an answer that says no."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from app.access.epoch import AuthorityEpoch
from app.actions.authenticate_client import KnownClient
from app.actions.issue_machine_token import Decision
from app.actions.usage import Use
from app.oauth.introspection import Caller

MOST_CLIENTS, MOST_ANSWERS, MOST_DECISIONS = 1_024, 10_000, 1_024
Value = TypeVar("Value")
Head = tuple[tuple[str, str], ...]


def key_of(*parts: bytes) -> bytes:
    """Give the digest under which something is kept: no secret is a key in clear."""
    return hashlib.sha256(b"\0".join(parts)).digest()


class Bounded(Generic[Value]):
    """A mapping that forgets what was used longest ago, by halves: a full young half becomes the old one."""

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._young: dict[bytes, Value] = {}
        self._old: dict[bytes, Value] = {}

    def get(self, key: bytes) -> Value | None:
        """Give what is kept, and keep it for longer."""
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self.put(key, found)
        return found

    def put(self, key: bytes, value: Value) -> None:
        """Keep a value."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = value

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


@dataclass(slots=True)
class Answer:
    """A 200 and what is told of it. `use` names what was used, so that its last use is kept at every answer."""

    head: Head
    body: bytes
    credential_id: str | None = None
    adds: Callable[[float], None] | None = None
    use: Use | None = None
    until: datetime | None = None

    def stands(self, at: datetime) -> bool:
        """Tell whether time alone has not changed it yet."""
        return self.until is None or at < self.until


@dataclass(slots=True)
class Present:
    """A client that has proved itself; `caller` is filled in when it first asks about a token."""

    known: KnownClient
    caller: Caller | None = None


@dataclass(slots=True)
class Decided:
    """What a client gets for what it asked, until the first of its secrets ends."""

    client: KnownClient
    decision: Decision

    def stands(self, at: datetime) -> bool:
        """Tell whether the secrets that the client may have proved itself by still stand."""
        return self.client.stands_until is None or at < self.client.stands_until


@dataclass(slots=True)
class Standing:
    """What was found since the epoch moved."""

    epoch: int
    clients: Bounded[Present] = field(default_factory=lambda: Bounded(MOST_CLIENTS))
    answers: Bounded[Answer] = field(default_factory=lambda: Bounded(MOST_ANSWERS))
    decisions: Bounded[Decided] = field(default_factory=lambda: Bounded(MOST_DECISIONS))


class Memory:
    """One for all threads of a process."""

    def __init__(self, epoch: AuthorityEpoch) -> None:
        self._epoch = epoch
        self._standing = Standing(-1)

    def standing(self) -> Standing:
        """Give what still stands. A request asks once, before it looks anything up, and keeps what it finds in that:

        what is found later is at least as new as the epoch under which it is kept.
        """
        epoch, standing = self._epoch(), self._standing
        if standing.epoch != epoch:
            standing = self._standing = Standing(epoch)
        return standing
