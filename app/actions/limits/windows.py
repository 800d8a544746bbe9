"""The rate limit of an API key: windows, and counting a use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.credentials.kind import Claims


@dataclass(frozen=True, slots=True)
class Window:
    """A limit's window after a use; it ends in `reset_seconds`."""

    admitted: bool
    limit: int
    remaining: int
    reset_seconds: int


class Limiter(Protocol):
    """Counts uses, in the database or in Redis."""

    def hit(self, key: str, requests: int, window_seconds: int, amount: int = 1) -> Window:
        """Count `amount` uses of `key`; return its window."""

    def look(self, key: str, requests: int, window_seconds: int) -> Window:
        """Return the window of `key` without counting; `admitted` says whether another use would be."""


class SpendKeyLimit:
    """Counts a use of a credential against the limit of its API key; exchanged tokens count for their key."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    def __call__(self, claims: Claims) -> Window | None:
        """Return the window after this use, None for a credential without a limit."""
        if claims.rate_limit is None or claims.secret is None:
            return None
        limit = claims.rate_limit
        return self._limiter.hit(f"key:{claims.secret.credential_id}", limit.requests, limit.window_seconds)
