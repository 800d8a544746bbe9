"""Instants and durations in words."""

from datetime import UTC, datetime, timedelta

import pytest

from app.web.moments import describe_duration, describe_moment

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(0), "just now"),
        (timedelta(seconds=-59), "just now"),
        (timedelta(seconds=59), "in less than a minute"),
        (timedelta(seconds=-61), "1 min ago"),
        (timedelta(minutes=-89), "89 min ago"),
        (timedelta(hours=-3), "3 h ago"),
        (timedelta(hours=47), "in 47 h"),
        (timedelta(days=5), "in 5 days"),
        (timedelta(days=-89), "89 days ago"),
        (timedelta(days=-100), "3 months ago"),
        (timedelta(days=730), "in 2 years"),
    ],
)
def test_an_instant_is_named_by_its_distance(distance: timedelta, words: str) -> None:
    assert describe_moment(NOW + distance, NOW) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (86_400, "1 day"),
        (30 * 86_400, "30 days"),
        (3600, "1 hour"),
        (5400, "90 minutes"),
        (61, "61 seconds"),
        (0, "0 seconds"),
    ],
)
def test_a_duration_is_named_in_its_largest_whole_unit(seconds: int, words: str) -> None:
    assert describe_duration(seconds) == words
