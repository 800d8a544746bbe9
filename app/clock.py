"""The clock that is handed to every action."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the present instant, aware and in UTC."""
    return datetime.now(UTC)


def earliest(*moments: datetime | None) -> datetime | None:
    """Return the earliest of these instants; None is never."""
    return min((moment for moment in moments if moment is not None), default=None)
