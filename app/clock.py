"""The clock as the actions are handed it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Give the present instant, aware and in UTC."""
    return datetime.now(UTC)


def soonest(*moments: datetime | None) -> datetime | None:
    """Give the first of these instants; None is never."""
    return min((moment for moment in moments if moment is not None), default=None)
