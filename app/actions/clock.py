"""The clock as the actions are handed it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Give the present instant, aware and in UTC."""
    return datetime.now(UTC)
