"""Find and redact secrets of this server in text, wherever one was put by mistake."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

REDACTED = "[redacted]"
BODY_LENGTH = 38  # characters after the prefix of an opaque secret: 32 random ones and 6 check characters
# each pattern is linear: a run of characters is entered at one place only, and never backtracked into
_HEADER = r"(?<![\w-])(?=[\w-]*?eyJ[\w-]{8})[\w-]++"  # the run in which a JWT begins
_JWT = rf"{_HEADER}\.eyJ[\w-]{{8,}}+\.[\w-]{{16,}}+"
_CUT_JWT = rf"{_HEADER}(?:\.[\w-]*+){{1,2}}"
_COMPLETE = re.compile(rf"lk_[a-z]{{3,4}}_[0-9A-Za-z]{{{BODY_LENGTH}}}|{_JWT}", re.ASCII)
_PARTIAL = re.compile(rf"(lk_[a-z]{{3,4}}_)([0-9A-Za-z]{{16,}}+)|{_CUT_JWT}", re.ASCII)  # also one that was cut off


def holds_secret(value: object) -> bool:
    """Return whether a text, or a text anywhere in a JSON value, contains a complete secret or JWT."""
    if isinstance(value, str):
        return ("lk_" in value or "eyJ" in value) and _COMPLETE.search(value) is not None
    if isinstance(value, Mapping):
        return any(holds_secret(name) or holds_secret(inner) for name, inner in value.items())
    return isinstance(value, list | tuple) and any(holds_secret(inner) for inner in value)


def redact(text: str) -> str:
    """Replace each secret, complete or cut off: an opaque one by its hint, a JWT by REDACTED."""
    return _PARTIAL.sub(_hint, text) if "lk_" in text or "eyJ" in text else text


def redact_value(value: Any) -> Any:
    """Replace the secrets in every text of a JSON value, including member names."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(name)): redact_value(inner) for name, inner in value.items()}
    return [redact_value(inner) for inner in value] if isinstance(value, list | tuple) else value


def hints_in(value: Any) -> Iterator[str]:
    """Return the hint of each secret in a JSON value, by which a person recognizes it."""
    if isinstance(value, str):
        yield from (_hint(found) for found in _PARTIAL.finditer(value))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from hints_in([str(name), inner])
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from hints_in(inner)


def _hint(found: re.Match[str]) -> str:
    prefix, rest = found[1], found[2]
    if prefix is None:
        return REDACTED
    return f"{prefix}…{rest[-4:]}" if len(rest) == BODY_LENGTH else f"{prefix}…"
