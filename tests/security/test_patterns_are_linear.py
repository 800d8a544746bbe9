"""A regular expression holds the interpreter while it runs: none takes more than linear time, whatever it reads."""

import re
import time

import pytest

from app.operations.logs import redact
from tests.security.patterns import MOST_SECONDS, Use, seconds_of, stray_patterns, uses

MEBIBYTE = 1_048_576
FOUND = uses()
QUADRATIC = [
    (r"lk_(?:pat|key|sec)_[0-9A-Za-z]+|eyJ[\w-]+\.[\w-]+(?:\.[\w-]+)?", "sub"),
    (r"[^@\s]+@[^@\s]+", "search"),
    (r"\s*-----BEGIN", "search"),
    (r"(a+)+$", "match"),
    (r"(?:[a-z]+\.?)+:", "fullmatch"),
    (r"\w+\d", "search"),
]
WRITTEN = ("eyJ", "eyJ.", "eyJa.", "eyJa.a.", "aeyJ-", "lk_", "lk_pat_", "lk_pat_A", "a", "\u00e9eyJ", "eyJ.eyJ-")


def test_there_are_patterns_and_all_are_found() -> None:
    assert len(FOUND) > 40
    assert {"operations/logs.py", "fast_lane/shape.py", "web/visitors.py"} <= {
        use.place.partition(":")[0] for use in FOUND
    }


@pytest.mark.contract("no regular expression takes more than linear time, whatever strangers write")
def test_no_pattern_is_made_where_this_test_cannot_see_it() -> None:
    assert stray_patterns() == []


@pytest.mark.contract("no regular expression takes more than linear time, whatever strangers write")
@pytest.mark.parametrize("use", FOUND, ids=[f"{n}-{use.place}-{use.method}" for n, use in enumerate(FOUND)])
def test_a_pattern_is_linear_in_its_worst_input(use: Use) -> None:
    assert seconds_of(use) <= MOST_SECONDS, use.pattern.pattern


@pytest.mark.contract("no regular expression takes more than linear time, whatever strangers write")
@pytest.mark.parametrize(("text", "method"), QUADRATIC)
def test_a_pattern_that_is_not_linear_would_be_found(text: str, method: str) -> None:
    assert seconds_of(Use("here", re.compile(text), method)) > MOST_SECONDS


@pytest.mark.contract("no regular expression takes more than linear time, whatever strangers write")
@pytest.mark.parametrize("piece", WRITTEN)
def test_redaction_of_the_largest_body_takes_twice_the_time_of_half_of_it(piece: str) -> None:
    whole = piece * (MEBIBYTE // len(piece))
    half = min(_seconds(whole[: MEBIBYTE // 2]) for _ in range(3))
    assert any(_seconds(whole) < 3 * half + 0.1 for _ in range(3))


def _seconds(text: str) -> float:
    began = time.thread_time()
    redact(text)
    return time.thread_time() - began
