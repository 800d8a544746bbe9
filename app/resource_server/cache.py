"""What one process of the API remembers: introspection answers and used DPoP proofs. No token is kept, only digests."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from .forks import renew_after_fork

MAX_ANSWERS = 10_000


class AnswerCache:
    """Keep active introspection answers for `max_age` seconds, each for one address; 0 keeps none."""

    def __init__(self, max_age: float, now: Callable[[], float]) -> None:
        """Take the age in seconds, and the clock."""
        self._max_age = max_age
        self._now = now
        self._answers: OrderedDict[bytes, tuple[float, Mapping[str, Any]]] = OrderedDict()
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """Replace the lock, which another thread may have held when the process forked."""
        self._lock = threading.Lock()

    def get(self, token: str, client_ip: str | None) -> Mapping[str, Any] | None:
        """Return the answer to the same question; None if there is none or it is too old."""
        if self._max_age <= 0:
            return None
        name = _digest(f"{client_ip} {token}")
        with self._lock:
            put_at, answer = self._answers.get(name, (0.0, None))
            if answer is None:
                return None
            if 0 <= self._now() - put_at < self._max_age:  # below 0: the clock was set back
                self._answers.move_to_end(name)
                return answer
            del self._answers[name]
            return None

    def put(self, token: str, client_ip: str | None, answer: Mapping[str, Any]) -> None:
        """Keep an answer, but never a refusal; the one that was not used for the longest time makes room."""
        if self._max_age <= 0 or answer.get("active") is not True:
            return
        name = _digest(f"{client_ip} {token}")
        with self._lock:
            self._answers[name] = (self._now(), answer)
            self._answers.move_to_end(name)
            while len(self._answers) > MAX_ANSWERS:
                self._answers.popitem(last=False)


class ReplayCache:
    """Remember for `seconds` what was used. There is no limit in number: a forgotten proof could be used again."""

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        """Take the time for which a proof can be fresh, and the clock."""
        self._seconds = seconds
        self._now = now
        self._used: OrderedDict[bytes, float] = OrderedDict()  # in the order of their first use
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """Replace the lock, which another thread may have held when the process forked."""
        self._lock = threading.Lock()

    def add(self, name: str) -> bool:
        """Return whether this is the first use of `name`, and remember it."""
        digest, now = _digest(name), self._now()
        with self._lock:
            while self._used and now - next(iter(self._used.values())) >= self._seconds:
                self._used.popitem(last=False)
            first = digest not in self._used
            if first:
                self._used[digest] = now
            return first


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
