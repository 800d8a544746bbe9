"""What a process remembers between two changes of authority: bounded, by digests, never an answer that says no."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from app.access.epoch import AuthorityEpoch
from app.actions.sign_in.clients import KnownClient
from app.actions.tokens.issue import Decision
from app.actions.tokens.usage import Use
from app.oauth.introspection import Caller

MOST_CLIENTS, MOST_ANSWERS, MOST_DECISIONS = 10_000, 10_000, 10_000  # about 1 kB each, all told
Value = TypeVar("Value")
Head = tuple[tuple[str, str], ...]


def key_of(*parts: bytes) -> bytes:
    """Give the digest under which something is kept: no secret is a key in clear."""
    return hashlib.sha256(b"\0".join(parts)).digest()


class Bounded(Generic[Value]):
    """A mapping that forgets what was used longest ago. Threads share it: each step is one call of the ordered dict."""

    __slots__ = ("_kept", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, Value] = OrderedDict()

    def get(self, key: bytes) -> Value | None:
        """Give what is kept, and keep it for longer."""
        found = self._kept.get(key)
        if found is not None:
            try:  # noqa: SIM105 - suppress() costs ten times as much
                self._kept.move_to_end(key)
            except KeyError:  # forgotten in between
                pass
        return found

    def put(self, key: bytes, value: Value) -> None:
        """Keep a value."""
        self._kept[key] = value
        if len(self._kept) > self._most:
            with suppress(KeyError):  # another thread forgot the last
                self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)


@dataclass(slots=True)
class Answer:
    """A 200 and what is told of it. `use` names what was used, so that its last use is kept at every answer.

    `client_id` is the client that proved itself.
    """

    head: Head
    body: bytes
    credential_id: str | None = None
    adds: Callable[[float], None] | None = None
    use: Use | None = None
    until: datetime | None = None
    client_id: str | None = None

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
    """What a client gets for what it asked, until the first of its secrets ends: the JSON `around` its token too."""

    client: KnownClient
    decision: Decision
    around: tuple[bytes, bytes]

    def stands(self, at: datetime) -> bool:
        """Tell whether the secrets that the client may have proved itself by still stand."""
        return self.client.valid_until is None or at < self.client.valid_until


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
