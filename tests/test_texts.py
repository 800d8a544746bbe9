"""Texts are recognized after they were filled in, and others are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.texts import read_values
from tests.processor_time import at_most

LITERALS = st.text("ab; :.%(", max_size=5).filter(lambda text: "%(" not in text)
VALUES = st.text("xyz\n\U0001f511", max_size=5)


@given(st.lists(st.tuples(LITERALS.filter(bool), VALUES), max_size=4), LITERALS)
def test_what_was_filled_in_is_read(parts: list[tuple[str, str]], end: str) -> None:
    text = "".join(f"{literal}%(name{number})s" for number, (literal, _) in enumerate(parts)) + end
    filled_in = "".join(literal + value for literal, value in parts) + end
    assert read_values(text, filled_in) == {f"name{number}": value for number, (_, value) in enumerate(parts)}


@pytest.mark.parametrize(
    "other",
    ["", "from a", "to b", "from a to", "from a too b!", "upfrom a to b", "from to b!", "from  to!"],
)
def test_another_text_is_not_recognized(other: str) -> None:
    assert read_values("from %(first)s to %(last)s!", other) is None


def test_a_text_without_placeholders_is_itself_alone() -> None:
    assert read_values("is needed", "is needed") == {}
    assert read_values("is needed", "is needed ") is None


def test_the_time_is_linear() -> None:
    with at_most(0.5, "a megabyte"):
        assert read_values("a%(one)sb%(two)sb%(three)sc", "a" + "b" * 1_000_000 + "c") is not None
