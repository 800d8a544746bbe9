"""The rate limit that an API key carries: one use counted where the key is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.credentials.kind import Claims


@dataclass(frozen=True, slots=True)
class Window:
    """How a limit stands after a use: `reset_seconds` until the window ends."""

    admitted: bool
    limit: int
    remaining: int
    reset_seconds: int


class Limiter(Protocol):
    """What counts hits; operations/ hands one in, on the database or on Redis."""

    def hit(self, key: str, requests: int, window_seconds: int, amount: int = 1) -> Window:
        """Count so many uses of `key` and tell how its window stands."""

    def look(self, key: str, requests: int, window_seconds: int) -> Window:
        """Tell how the window of `key` stands, and count nothing: `admitted` says whether another use would be."""


class SpendKeyLimit:
    """Count a use of a credential against the limit its API key carries; exchanged tokens spend their key's."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    def __call__(self, claims: Claims) -> Window | None:
        """Give the window after this use, None for a credential without a limit."""
        if claims.rate_limit is None or claims.secret is None:
            return None
        limit = claims.rate_limit
        return self._limiter.hit(f"key:{claims.secret.credential_id}", limit.requests, limit.window_seconds)
