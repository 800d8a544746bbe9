"""The phrases of measured cells are recognized in what a probe makes of them."""

import re

import pytest

from app.comparison.phrases import (
    BESIDE_PASSWORD,
    GOES_ON,
    LABELLED,
    LISTED,
    PASSES_LOCALLY,
    PHRASES,
    REFUSED_AT_ONCE,
    TIMING,
    recognize,
)

NAMES = re.compile(r"%\((\w+)\)s")
TIMED = TIMING % {"median": "1.00", "least": "0.50", "most": "2.00"}


@pytest.mark.parametrize("phrase", PHRASES)
def test_each_phrase_is_recognized_with_what_was_filled_in(phrase: str) -> None:
    values = {name: f"{number}.5" for number, name in enumerate(NAMES.findall(phrase))}
    assert recognize(phrase % values) == (phrase, values)


def test_a_text_of_several_phrases_is_taken_apart_from_the_outside() -> None:
    ended, left = REFUSED_AT_ONCE % {"later": "1"}, PASSES_LOCALLY % {"left": "3600"}
    assert recognize(f"{ended}; {left}") == (LISTED, {"first": ended, "further": left})
    assert recognize(f"goes on: it, too; {left}") == (LISTED, {"first": "goes on: it, too", "further": left})
    assert recognize("goes on: it, too") == (GOES_ON, {"why": "it, too"})
    assert recognize(f"{TIMED}: one request") == (LABELLED, {"label": TIMED, "text": "one request"})
    both = f"{TIMED}: one request; later, by a refresh: {TIMED}"
    assert recognize(both) == (LISTED, {"first": f"{TIMED}: one request", "further": f"later, by a refresh: {TIMED}"})
    beside = BESIDE_PASSWORD % {"timing": f"{TIMED}: one request", "password": "9.00"}
    assert recognize(beside) == (BESIDE_PASSWORD, {"timing": f"{TIMED}: one request", "password": "9.00"})


@pytest.mark.parametrize("text", ["", "seen", "3", "active, scope, aud", "refused at the last call"])
def test_any_other_text_is_not_a_phrase(text: str) -> None:
    assert recognize(text) is None
