"""Instants and durations in words, as pages show them: "in 5 days", "3 h ago", "30 days"; by the page's language."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Literal

from babel import Locale
from babel.dates import format_datetime, format_skeleton, format_timedelta
from babel.units import format_unit
from flask_babel import get_locale, gettext

MINUTE, HOUR, DAY = 60, 3600, 86_400  # seconds
MONTH, YEAR = 30.44 * DAY, 365.25 * DAY
Unit = Literal["year", "month", "day", "hour", "minute"]
# From this many seconds on, an instant is named in this unit; its name here in English, and in CLDR.
UNITS: tuple[tuple[float, float, str, Unit], ...] = (
    (1.5 * YEAR, YEAR, "years", "year"),
    (90 * DAY, MONTH, "months", "month"),
    (2 * DAY, DAY, "days", "day"),
    (1.5 * HOUR, HOUR, "h", "hour"),
    (MINUTE, MINUTE, "min", "minute"),
)
DURATIONS = {"seconds": 1, "minutes": MINUTE, "hours": HOUR, "days": DAY}


def describe_moment(at: datetime, now: datetime) -> str:
    """Return how far an instant is from now, in the largest unit that is exact enough."""
    seconds = (at - now).total_seconds()
    if abs(seconds) < MINUTE:
        return str(gettext("just now") if seconds <= 0 else gettext("in less than a minute"))
    _, size, short, unit = next(row for row in UNITS if abs(seconds) >= row[0])
    if locale := _foreign_locale():
        return format_timedelta(at - now, unit, threshold=math.inf, add_direction=True, locale=locale)
    distance = f"{abs(seconds) / size:.0f} {short}"
    return f"in {distance}" if seconds > 0 else f"{distance} ago"


def describe_duration(seconds: int) -> str:
    """Return a duration in the largest unit that divides it, such as 30 days."""
    count, unit = split_duration(seconds)
    one = unit.removesuffix("s")
    if locale := _foreign_locale():
        return format_unit(count, f"duration-{one}", locale=locale)
    return f"{count} {one if count == 1 else unit}"


def describe_exactly(at: datetime) -> str:
    """Return an instant to the second, in UTC."""
    locale = _foreign_locale()
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if locale is None else format_datetime(at, "long", tzinfo=UTC, locale=locale)


def describe_day(at: datetime) -> str:
    """Return the day of an instant, in UTC, with its weekday."""
    locale = _foreign_locale()
    return f"{at:%a, %-d %b %Y}" if locale is None else format_skeleton("yMMMEd", at, tzinfo=UTC, locale=locale)


def split_duration(seconds: int) -> tuple[int, str]:
    """Return a duration as a number and the largest unit that divides it."""
    if not seconds:
        return 0, "seconds"
    return next((seconds // size, unit) for unit, size in reversed(DURATIONS.items()) if seconds % size == 0)


def _foreign_locale() -> Locale | None:
    """Return the locale of the page; None for English, which has words of its own here: short units, ISO 8601."""
    locale: Locale | None = get_locale()
    return None if locale is None or locale.language == "en" else locale
