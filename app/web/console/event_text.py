"""An audit event in words: the parts of its sentence, with names in place of ids and links to their pages.

A name in an event is text from outside: it is bounded here, and the template isolates its direction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for

from app.actions.audit.event_types import TYPES, UNKNOWN
from app.actions.audit.record import SEVERAL
from app.actions.insight.event_names import Mention, NamedRow
from app.crypto.pseudonym import PATTERN
from app.models import AuditEvent
from app.web.console.links import page_of_named
from app.web.moments import describe_duration

LONGEST_SHOWN = 80  # characters of a name
MOST_LISTED = 3  # names of a list
HELD = ("username", "name", "identifier")  # details with the name of what an event is about
UNNAMED = {"anonymous": "somebody", "server": "the server", "operator": "the command line"}
ACCOUNTS = {"user": "users", "client": "clients"}
PSEUDONYM = re.compile(PATTERN)
PIECE = re.compile(r"\[([^\[\]]*)\]|\{([a-z]+)\}")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a sentence: our own words, or a name with the page of what it names."""

    text: str
    is_name: bool = False
    url: str | None = None

    @property
    def shown(self) -> str:
        """Return the text, cut where a name is too long."""
        long = self.is_name and len(self.text) > LONGEST_SHOWN
        return f"{self.text[: LONGEST_SHOWN - 1]}…" if long else self.text


Parts = tuple[Part, ...]
Names = Mapping[Mention, NamedRow]


@dataclass(frozen=True, slots=True)
class EventText:
    """The names in one event, and its sentence."""

    event: AuditEvent
    names: Names

    @property
    def sentence(self) -> Parts:
        """Return the parts of the sentence, which begins with a capital letter."""
        sentence = TYPES.get(self.event.action, UNKNOWN).sentence
        first, *others = self._fill(sentence) or (Part(self.event.action),)
        text = first.text if first.is_name else f"{first.text[:1].upper()}{first.text[1:]}"
        return Part(text, first.is_name, first.url), *others

    @property
    def plain(self) -> str:
        """Return the sentence as one text."""
        return "".join(part.shown for part in self.sentence)

    @property
    def actor(self) -> Part:
        """Return who did it."""
        type, key = self.event.actor_type, self.event.actor
        return Part(UNNAMED[type]) if type in UNNAMED else self._name(type, key, self.event.actor_name)

    @property
    def target(self) -> Part:
        """Return what it was done to: by the name that the event holds once the object is gone."""
        type, key = self.event.target_type, self.event.target
        if type == "signing_key":
            return Part(key, is_name=True, url=url_for("console_signing_keys.index"))
        return self._name(type, key, next(filter(None, map(self._detail, HELD)), None))

    def _fill(self, template: str) -> Parts | None:
        """Return the parts of a template; None where a value is missing."""
        parts: list[Part] = []
        for part in self._pieces(template):
            if part is None:
                return None
            parts.extend(part)
        return tuple(parts)

    def _pieces(self, template: str) -> Iterator[Parts | None]:
        end = 0
        for found in PIECE.finditer(template):
            yield (Part(template[end : found.start()]),) if found.start() > end else ()
            optional, name = found.groups()
            yield self._value(name) if optional is None else self._fill(optional) or ()
            end = found.end()
        yield (Part(template[end:]),) if end < len(template) else ()

    def _value(self, name: str) -> Parts | None:
        if name in VALUES:
            return VALUES[name](self)
        return _listed(self._detail(name))

    def _detail(self, name: str) -> Any:
        details: Any = self.event.details
        return details.get(name) if isinstance(details, dict) else None

    def _mention(self, type: str) -> Parts | None:
        key = self._detail(type)
        return (self._name(type, key),) if key and isinstance(key, str) else None

    def _name(self, type: str, key: str, held: object = None) -> Part:
        if row := self.names.get((type, key)):
            return Part(row.name or key, is_name=True, url=page_of_named(type, row))
        return Part(held if held and isinstance(held, str) else key, is_name=True)


def _words(text: str) -> Parts:
    return (Part(text),)


def _listed(value: object) -> Parts | None:
    """Return the first texts of a list, or of a text with spaces, and how many there are besides; None for nothing."""
    texts = value.split() if isinstance(value, str) else value
    if isinstance(value, int):
        return _words(str(value))
    if not isinstance(texts, Sequence) or not texts:
        return None
    named = [Part(str(text), is_name=True) for text in texts[:MOST_LISTED]]
    parts = [part for one in named for part in (Part(", "), one)][1:]
    more = len(texts) - MOST_LISTED
    return (*parts, Part(f" and {more} more")) if more > 0 else tuple(parts)


def _target(text: EventText) -> Parts | None:
    return (text.target,) if text.event.target else None


def _owner(text: EventText) -> Parts | None:
    return None if text._detail("user") == text.event.actor else text._mention("user")


def _whom(text: EventText) -> Parts:
    """Return the account of a failed authentication, which may be unknown, or one of several."""
    type = text.event.target_type
    if text.event.target == SEVERAL:
        return _words(f"several {ACCOUNTS.get(type, type)}")
    if not text.event.target or PSEUDONYM.fullmatch(text.event.target):
        return _words(f"an unknown {type}")
    return Part(f"the {type} "), text.target


def _what(text: EventText) -> Parts:
    return (Part(text.event.target_type.replace("_", " ").replace("api ", "API "), is_name=True),)


def _overlap(text: EventText) -> Parts | None:
    seconds = text._detail("overlap_seconds")
    return _words(describe_duration(seconds)) if isinstance(seconds, int) and seconds > 0 else None


def _reason(text: EventText) -> Parts | None:
    reason = text._detail("reason")
    return (Part(reason, is_name=True),) if reason and isinstance(reason, str) else None


def _changed(text: EventText) -> Parts | None:
    names = text._detail("changed")
    return _listed([str(name).replace("_", " ") for name in names] if isinstance(names, list) else None)


def _account(text: EventText) -> Parts | None:
    return text._mention("user") or text._mention("client")


def _ended(text: EventText) -> Parts | None:
    return _words(", which ended it") if text._detail("ended") is True else None


VALUES: dict[str, Callable[[EventText], Parts | None]] = {
    "actor": lambda text: (text.actor,),
    "target": _target,
    "owner": _owner,
    "account": _account,
    "ended": _ended,
    "whom": _whom,
    "what": _what,
    "action": lambda text: (Part(text.event.action, is_name=True),),
    "client": lambda text: text._mention("client"),
    "resource": lambda text: text._mention("resource"),
    "overlap": _overlap,
    "reason": _reason,
    "changed": _changed,
}
