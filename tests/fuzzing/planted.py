"""A target that fails on purpose; apart from the others, it imports nothing that has to be instrumented."""

from __future__ import annotations

from tests.fuzzing.inputs import holds


def planted(data: bytes) -> None:
    """Raise for any input with an exclamation mark, to test that a failure is found."""
    holds(b"!" not in data, data)
