"""JSON that two readers would read differently is refused."""

import pytest

from app.settings.strict_json import read_json


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 2}', '[{"b": {"c": 1, "c": 1}}]', "NaN", "[-Infinity]", "1e999", "[-1e999]", "{'a': 1}", ""]
)
def test_what_readers_would_read_differently_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has a text of its own
        read_json(text)


def test_any_other_json_is_read() -> None:
    assert read_json('{"a": [1, 2.5, null, true, "\\u00e9"], "b": {"a": {}}}') == {
        "a": [1, 2.5, None, True, "é"],
        "b": {"a": {}},
    }
