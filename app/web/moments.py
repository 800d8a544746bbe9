"""Instants and durations in words, as pages show them: "in 5 days", "3 h ago", "30 days"."""

from __future__ import annotations

from datetime import datetime

MINUTE, HOUR, DAY = 60, 3600, 86_400  # seconds
MONTH, YEAR = 30.44 * DAY, 365.25 * DAY
UNITS = (  # from this many seconds on, an instant is named in this unit
    (1.5 * YEAR, YEAR, "years"),
    (90 * DAY, MONTH, "months"),
    (2 * DAY, DAY, "days"),
    (1.5 * HOUR, HOUR, "h"),
    (MINUTE, MINUTE, "min"),
)
DURATIONS = {"seconds": 1, "minutes": MINUTE, "hours": HOUR, "days": DAY}


def describe_moment(at: datetime, now: datetime) -> str:
    """Return how far an instant is from now, in the largest unit that is exact enough."""
    seconds = (at - now).total_seconds()
    distance = next((f"{abs(seconds) / size:.0f} {unit}" for least, size, unit in UNITS if abs(seconds) >= least), "")
    if not distance:
        return "just now" if seconds <= 0 else "in less than a minute"
    return f"in {distance}" if seconds > 0 else f"{distance} ago"


def describe_duration(seconds: int) -> str:
    """Return a duration in the largest unit that divides it, such as 30 days."""
    count, unit = split_duration(seconds)
    return f"{count} {unit.removesuffix('s') if count == 1 else unit}"


def split_duration(seconds: int) -> tuple[int, str]:
    """Return a duration as a number and the largest unit that divides it."""
    if not seconds:
        return 0, "seconds"
    return next((seconds // size, unit) for unit, size in reversed(DURATIONS.items()) if seconds % size == 0)
