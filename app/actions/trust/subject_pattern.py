"""Patterns of a foreign token's subject: the exact text, or with `*` for one or more characters except `:`.

A pattern is not a regular expression: it is compared part by part, in time linear in the subject.
"""

from __future__ import annotations

import re

from app.errors import Invalid

LONGEST_PATTERN = 500  # characters
MOST_STARS = 5
WHOLE_PART = re.compile(r"(?<![^:/])[^:/]++[:/]")  # matches only at the start of a part
STAR_WITHIN_A_NAME = re.compile(r"[^\W_]\*|\*\*")


def checked_pattern(pattern: str) -> str:
    """Return the pattern; raise Invalid for one that a person who may choose names could match."""
    if not pattern or len(pattern) > LONGEST_PATTERN or not pattern.isprintable():
        raise Invalid.field("subject", f"must be 1 to {LONGEST_PATTERN} printable characters")
    prefix, star, _ = pattern.partition("*")
    if not star:
        return pattern
    if len(WHOLE_PART.findall(prefix)) < 2:
        raise Invalid.field("subject", "must name two whole parts before the first *, as in repo:acme/*")
    if STAR_WITHIN_A_NAME.search(pattern):
        raise Invalid.field("subject", "a * may not follow a letter, a digit or another *: names begin alike")
    if pattern.count("*") > MOST_STARS:
        raise Invalid.field("subject", f"must have at most {MOST_STARS} *")
    return pattern


def matches(pattern: str, subject: str) -> bool:
    """Return whether the whole subject matches the pattern."""
    wanted, given = pattern.split(":"), subject.split(":")
    return len(wanted) == len(given) and all(map(_part_matches, wanted, given))


def _part_matches(pattern: str, part: str) -> bool:
    first, *rest = pattern.split("*")
    if not rest:
        return part == pattern
    if not part.startswith(first):
        return False
    at, last = len(first), rest.pop()
    for literal in rest:  # the first match leaves the most text to the next *
        found = part.find(literal, at + 1)
        if found < 0:
            return False
        at = found + len(literal)
    return len(part) - len(last) > at and part.endswith(last)
