"""Texts that are written where they belong and translated where they are shown."""

from __future__ import annotations


def mark(text: str) -> str:
    """Return an English text as it is: the name marks it for `scripts/translations`, and a page translates it."""
    return text
