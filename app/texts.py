"""Texts that are written where they belong and translated where they are shown."""

from __future__ import annotations

import re

PLACEHOLDER = re.compile(r"%\((\w+)\)s")


def mark(text: str) -> str:
    """Return an English text as it is: the name marks it for `scripts/translations`, and a page translates it."""
    return text


def compile_pattern(text: str) -> re.Pattern[str]:
    """Return the pattern of what is made of a text by filling it in, with a group for each placeholder."""
    parts = PLACEHOLDER.split(text)  # text and names of placeholders in turn
    groups = (f"(?P<{part}>.*?)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts))
    return re.compile("".join(groups), re.DOTALL)
