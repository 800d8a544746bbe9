"""The clock that is passed to the actions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the current instant, aware and in UTC."""
    return datetime.now(UTC)


def earliest(*moments: datetime | None) -> datetime | None:
    """Return the earliest of these instants; None means never."""
    return min((moment for moment in moments if moment is not None), default=None)
