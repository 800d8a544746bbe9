"""Texts that are written where they belong and translated where they are shown."""

from __future__ import annotations

import re

PLACEHOLDER = re.compile(r"%\((\w+)\)s")


def mark(text: str) -> str:
    """Return an English text as it is: the name marks it for `scripts/translations`, and a page translates it."""
    return text


def read_values(text: str, filled_in: str) -> dict[str, str] | None:
    """Return what the placeholders of a text hold in another one, which may have been made from it by filling it in.

    None when it was not. A value ends where what follows it in the text occurs first, so the time is linear.
    """
    first, *parts = PLACEHOLDER.split(text)  # names of placeholders, each with the text after it
    if not parts:
        return {} if filled_in == first else None
    names, following = parts[::2], parts[1::2]
    last = following.pop()
    if len(filled_in) < len(first + last) or not filled_in.startswith(first) or not filled_in.endswith(last):
        return None
    rest = filled_in[len(first) : len(filled_in) - len(last)]
    values: list[str] = []
    for literal in following:
        value, found, rest = rest.partition(literal)
        if not found:
            return None
        values.append(value)
    return dict(zip(names, (*values, rest), strict=True))
