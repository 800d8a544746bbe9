"""Instants and durations in words, as pages show them: "in 5 days", "3 h ago", "30 days"."""

from __future__ import annotations

from datetime import datetime, timedelta

MINUTE, HOUR, DAY = 60, 3600, 86_400  # seconds
MONTH, YEAR = 30.44 * DAY, 365.25 * DAY
UNITS = (  # from this many seconds on, an instant is named in this unit
    (1.5 * YEAR, YEAR, "years"),
    (90 * DAY, MONTH, "months"),
    (2 * DAY, DAY, "days"),
    (1.5 * HOUR, HOUR, "h"),
    (MINUTE, MINUTE, "min"),
)
DURATIONS = ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (1, "second"))


def describe_moment(at: datetime, now: datetime) -> str:
    """Return how far an instant is from now, in the largest unit that is exact enough."""
    seconds = (at - now).total_seconds()
    distance = next((f"{abs(seconds) / size:.0f} {unit}" for least, size, unit in UNITS if abs(seconds) >= least), "")
    if not distance:
        return "just now" if seconds <= 0 else "in less than a minute"
    return f"in {distance}" if seconds > 0 else f"{distance} ago"


def describe_duration(seconds: float | timedelta) -> str:
    """Return a duration in the largest unit that divides it, such as 30 days."""
    whole = int(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    size, unit = next((size, unit) for size, unit in DURATIONS if size == 1 or (whole and whole % size == 0))
    count = whole // size
    return f"{count} {unit}{'' if count == 1 else 's'}"
