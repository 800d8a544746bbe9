"""What one process of the API remembers: introspection answers and used DPoP proofs. No token is kept, only digests."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from cachetools import TTLCache

MAX_ANSWERS = 10_000


class AnswerCache:
    """Keep active introspection answers for `max_age` seconds, each for one address; 0 keeps none."""

    def __init__(self, max_age: float, now: Callable[[], float]) -> None:
        self._max_age = max_age
        self._answers: TTLCache[bytes, Mapping[str, Any], float] = TTLCache(MAX_ANSWERS, max_age, now)
        self._lock = threading.Lock()

    def get(self, token: str, client_ip: str | None) -> Mapping[str, Any] | None:
        """Return the answer to the same question; None if there is none or it is too old."""
        with self._lock:
            return self._answers.get(_digest(f"{client_ip} {token}"))

    def put(self, token: str, client_ip: str | None, answer: Mapping[str, Any]) -> None:
        """Keep an answer, but never a refusal."""
        if self._max_age > 0 and answer.get("active") is True:
            with self._lock:
                self._answers[_digest(f"{client_ip} {token}")] = answer


class ReplayCache:
    """Remember for `seconds` what was used. There is no limit in number: a forgotten proof could be used again."""

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self._used: TTLCache[bytes, None, float] = TTLCache(math.inf, seconds, now)
        self._lock = threading.Lock()

    def add(self, name: str) -> bool:
        """Return whether this is the first use of `name`, and remember it."""
        digest = _digest(name)
        with self._lock:
            first = digest not in self._used
            if first:
                self._used[digest] = None
            return first


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
