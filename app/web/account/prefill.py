"""What the form for a new token begins with: the query of a link, or another token of the user's."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask_babel import gettext, pgettext
from werkzeug.datastructures import MultiDict

from app.actions.directory.lifetime import LONGEST_EXPIRES_IN
from app.actions.directory.personal_access_tokens import TokenView
from app.actions.insight.reach import Api
from app.models.names import LONGEST_NAME
from app.web.form import LONGEST_TEXT, MOST_SELECTED
from app.web.moments import DAY, describe_duration

PRESETS = (7, 30, 90, 365)  # days
MOST_NAMED = 10  # scopes that a message names
LONGEST_SCOPE = 100  # characters of a scope in a message
SEPARATORS = re.compile(r"[\s,]+")
DURATION = re.compile(r"([0-9]{1,10})([smhdw]?)")
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Choice:
    """A lifetime that the form offers; `expires_at` is its result, None for never."""

    value: str
    label: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Prefill:
    """Values of the form; `left_out` are scopes that the user's roles do not give, `problem` is about the lifetime."""

    name: str = ""
    description: str = ""
    scopes: tuple[str, ...] = ()
    lifetime: str = "default"
    expires_in: int | None = None  # seconds, where the lifetime is not one of the presets
    left_out: tuple[str, ...] = ()
    problem: str = ""


def read_link(query: MultiDict[str, str], reach: Sequence[Api], longest: int | None) -> Prefill:
    """Read `name`, `description`, `scopes` and `expires_in`; what cannot be taken is left out, and named."""
    wanted = (word for text in query.getlist("scopes") for word in SEPARATORS.split(text) if word.isprintable())
    scopes, left_out = _split([*dict.fromkeys(filter(None, wanted))][:MOST_SELECTED], reach)
    lifetime, expires_in, problem = _read_lifetime(query.get("expires_in", "").strip().lower(), longest)
    name, description = query.get("name", "")[:LONGEST_NAME], query.get("description", "")[:LONGEST_TEXT]
    return Prefill(name, description, scopes, lifetime, expires_in, left_out, problem)


def copy_token(token: TokenView, reach: Sequence[Api], longest: int | None) -> Prefill:
    """Return the name, description and scopes of a token, and never as its lifetime where it had that."""
    scopes, left_out = _split(token.scopes, reach)
    lifetime = "never" if token.expires_at is None and longest is None else "default"
    return Prefill(_name_copy(token.name), token.description, scopes, lifetime, left_out=left_out)


def offer_lifetimes(now: datetime, default: int, longest: int | None, asked: int | None) -> list[Choice]:
    """Return the lifetimes that the policy allows, each with the instant at which it ends."""

    def ending(value: str, label: str, seconds: int) -> Choice:
        return Choice(value, label, now + timedelta(seconds=seconds))

    choices = [ending("default", gettext("default (%(duration)s)", duration=describe_duration(default)), default)]
    allowed = LONGEST_EXPIRES_IN if longest is None else longest
    choices += [
        ending(str(days), describe_duration(days * DAY), days * DAY) for days in PRESETS if days * DAY <= allowed
    ]
    if asked is not None and 1 <= asked <= allowed:
        label = gettext("%(duration)s, as the link asks", duration=describe_duration(asked))
        choices.append(ending("asked", label, asked))
    return choices if longest is not None else [*choices, Choice("never", pgettext("a lifetime", "never"), None)]


def _name_copy(name: str) -> str:
    """Return the name of a copy, which is not longer than a name may be."""
    longest = LONGEST_NAME - len(gettext("%(name)s copy", name=""))
    return str(gettext("%(name)s copy", name=name[:longest]))


def _split(names: Sequence[str], reach: Sequence[Api]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the scopes that the user's roles give, and those they do not."""
    given: Collection[str] = {scope.name for api in reach for scope in api.scopes}
    unknown = [name[:LONGEST_SCOPE] for name in names if name not in given]
    more = [gettext("%(count)s more", count=len(unknown) - MOST_NAMED)] if len(unknown) > MOST_NAMED else []
    return tuple(name for name in names if name in given), (*unknown[:MOST_NAMED], *more)


def _read_lifetime(text: str, longest: int | None) -> tuple[str, int | None, str]:
    """Return the choice of the form, the seconds of one that is not a preset, and why a link's is not taken."""
    if not text:
        return "default", None, ""
    if text == "never":
        if longest is None:
            return "never", None, ""
        return "default", None, gettext("a token lives at most %(longest)s here", longest=describe_duration(longest))
    found = DURATION.fullmatch(text)
    if found is None:
        refused = gettext("%(text)s is not a valid lifetime: use 30d, 12h, seconds or never", text=repr(text[:40]))
        return "default", None, refused
    seconds = int(found[1]) * SECONDS[found[2]]
    allowed = LONGEST_EXPIRES_IN if longest is None else longest
    if not 1 <= seconds <= allowed:
        refused = gettext("a lifetime is from 1 second to %(longest)s here", longest=describe_duration(allowed))
        return "default", None, refused
    if seconds in [days * DAY for days in PRESETS]:
        return str(seconds // DAY), None, ""
    return "asked", seconds, ""
