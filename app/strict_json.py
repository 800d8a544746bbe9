"""Read JSON strictly: refuse what two readers would read differently (RFC 8259 §4 and §6)."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def read_json(text: str) -> Any:
    """Return the value. Raises ValueError, and RecursionError for a value that is nested too deeply."""
    return json.loads(
        text, object_pairs_hook=_refuse_repetition, parse_constant=_refuse_constant, parse_float=_read_finite
    )


def _refuse_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member is repeated")  # another reader may take the other value
    return members


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _read_finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("the number is too large")
    return number
