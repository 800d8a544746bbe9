"""The caches of a process, valid until a right changes: bounded, keyed by digests. No refusal is cached."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from app.access.epoch import AuthorityEpoch
from app.actions.sign_in.clients import KnownClient
from app.actions.tokens.issue import Decision
from app.actions.tokens.usage import NOWHERE, Origin, Use
from app.oauth.introspection import Caller

MOST_CLIENTS, MOST_ANSWERS, MOST_DECISIONS = 10_000, 10_000, 10_000  # about 1 kB each
Value = TypeVar("Value")
Head = tuple[tuple[str, str], ...]


def digest_of(*parts: bytes) -> bytes:
    """Return the cache key of a request: a digest, since the parts, such as the Authorization header, hold secrets."""
    return hashlib.sha256(b"\0".join(parts)).digest()


class Bounded(Generic[Value]):
    """A mapping that drops the least recently used. Threads need no lock: each step is one call of the ordered dict."""

    __slots__ = ("_kept", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, Value] = OrderedDict()

    def get(self, key: bytes) -> Value | None:
        """Return the value, and mark it as used."""
        found = self._kept.get(key)
        if found is not None:
            try:  # noqa: SIM105 - suppress() costs ten times as much
                self._kept.move_to_end(key)
            except KeyError:  # dropped meanwhile
                pass
        return found

    def put(self, key: bytes, value: Value) -> None:
        """Store a value."""
        self._kept[key] = value
        if len(self._kept) > self._most:
            with suppress(KeyError):  # another thread emptied it
                self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)


@dataclass(slots=True)
class Answer:
    """A response with status 200, and what is logged about it.

    `use` is what every answer counts as, `origin` where the use comes from if the cached request says so, `adds`
    increments a metric, `client_id` is the authenticated client, `refusal` what the log says of a refusal, `kind` the
    credential's.
    """

    head: Head
    body: bytes
    credential_id: str | None = None
    adds: Callable[[float], None] | None = None
    use: Use | None = None
    until: datetime | None = None
    client_id: str | None = None
    refusal: Mapping[str, str] | None = None
    kind: str | None = None
    origin: Origin = NOWHERE

    def is_fresh(self, at: datetime) -> bool:
        """Return whether the answer has not expired."""
        return self.until is None or at < self.until


@dataclass(slots=True)
class AuthenticatedClient:
    """A client whose secret was checked; `caller` is set at its first introspection."""

    client: KnownClient
    caller: Caller | None = None


@dataclass(slots=True)
class CachedDecision:
    """What a client gets for a request, until the first of its secrets ends, with the JSON `around` its token."""

    client: KnownClient
    decision: Decision
    around: tuple[bytes, bytes]
    until: datetime | None
    use: Use

    def is_fresh(self, at: datetime) -> bool:
        """Return whether the decision holds, and none of the secrets that the client may have used has expired."""
        return self.until is None or at < self.until


@dataclass(slots=True)
class CacheGeneration:
    """The cached results of one authority epoch."""

    epoch: int
    clients: Bounded[AuthenticatedClient] = field(default_factory=lambda: Bounded(MOST_CLIENTS))
    answers: Bounded[Answer] = field(default_factory=lambda: Bounded(MOST_ANSWERS))
    decisions: Bounded[CachedDecision] = field(default_factory=lambda: Bounded(MOST_DECISIONS))


class Memory:
    """The caches of the current epoch, for all threads of a process."""

    def __init__(self, epoch: AuthorityEpoch) -> None:
        self._epoch = epoch
        self._generation = CacheGeneration(-1)

    def generation(self) -> CacheGeneration:
        """Return the caches of the current epoch.

        A request calls this once, before it reads anything else, so that no cached value is older than its epoch.
        """
        epoch, generation = self._epoch(), self._generation
        if generation.epoch != epoch:
            generation = self._generation = CacheGeneration(epoch)
        return generation
