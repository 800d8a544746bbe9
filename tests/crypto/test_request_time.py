"""The mark of a request's time: ours, of one request, for an hour, under each accepted key."""

from datetime import UTC, datetime, timedelta

import pytest

from app.crypto.request_time import VALID, RequestTimes

NOW = datetime(2030, 1, 1, 12, 0, 0, 123_456, UTC)
QUERY = "client_id=app&state=x"


def times(*keys: str) -> RequestTimes:
    return RequestTimes(lambda: keys)


def test_a_mark_is_read_to_the_microsecond_for_an_hour() -> None:
    mark = times("k" * 40).mark(QUERY, NOW)
    for later in (timedelta(0), VALID):
        assert times("k" * 40).read(mark, QUERY, NOW + later) == NOW
    for outside in (timedelta(microseconds=-1), VALID + timedelta(microseconds=1)):
        assert times("k" * 40).read(mark, QUERY, NOW + outside) is None


def test_a_mark_is_for_one_request() -> None:
    mark = times("k" * 40).mark(QUERY, NOW)
    assert times("k" * 40).read(mark, QUERY + "y", NOW) is None
    moment, _, mac = mark.partition(".")
    assert times("k" * 40).read(f"{int(moment) + 1}.{mac}", QUERY, NOW) is None
    assert times("k" * 40).read(f"{moment}\n.{mac}", QUERY, NOW) is None


def test_a_mark_of_an_earlier_key_is_accepted_and_one_of_another_is_not() -> None:
    mark = times("a" * 40).mark(QUERY, NOW)
    assert times("b" * 40, "a" * 40).read(mark, QUERY, NOW) == NOW
    assert times("b" * 40).read(mark, QUERY, NOW) is None


@pytest.mark.parametrize("mark", ["", ".", "1.", ".x", "1.x", "x.y", "é.é", "\ud800", "9" * 5000, "1.2.3"])
def test_anything_else_is_none(mark: str) -> None:
    assert times("k" * 40).read(mark, QUERY, NOW) is None
