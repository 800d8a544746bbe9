"""A language in which each text of the catalogs is in ⟦ ⟧, and what a page shows outside of them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from functools import cache
from html.parser import HTMLParser

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.support import NullTranslations

from app.web import catalogs
from tests.architecture.checkout import ROOT

PLACEHOLDER = re.compile(r"(%\(\w+\)[a-z])")
MARKS = re.compile("([⟦⟧])")
LETTER = re.compile(r"[^\W\d_]")
SHOWN = {"alt", "aria-label", "data-note", "placeholder", "title"}  # attributes that a reader sees or hears
UNTRANSLATED = {"code", "pre", "script", "style", "time"}  # Babel writes times, not a catalog
VOID = {"br", "hr", "img", "input", "link", "meta", "path", "rect", "use"}


@cache
def marked_texts() -> frozenset[str]:
    """Return the texts that `scripts/translations` finds in the code and the templates."""
    mappings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["babel"]["mappings"]
    methods = [(pattern, it["method"]) for it in mappings for pattern in _list(it["pattern"])]
    options = {pattern: {"trimmed": "true", "silent": "false"} for pattern, method in methods if method == "jinja2"}
    found = extract_from_dir(ROOT / "app", methods, options, {**DEFAULT_KEYWORDS, "mark": None})
    return frozenset(text for _, _, message, _, _ in found for text in _list(message))


def bracket(text: str) -> str:
    """Put each part of a text in brackets, but its placeholders: what is filled in has to be translated by itself."""
    parts = (part if PLACEHOLDER.fullmatch(part) else f"⟦{part}⟧" for part in PLACEHOLDER.split(text) if part)
    return "".join(parts)


class PseudoTranslations(NullTranslations):
    """Put each text of the catalogs in brackets; a text that is not marked stays as it is."""

    def ugettext(self, message: str) -> str:
        """Return the text in brackets."""
        return bracket(message) if message in marked_texts() else message

    def upgettext(self, context: str, message: str) -> str:
        """Return the text of a context in brackets."""
        return self.ugettext(message)

    def ungettext(self, singular: str, plural: str, number: int) -> str:
        """Return one of the two in brackets."""
        return self.ugettext(singular if number == 1 else plural)


def use_pseudo_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put each text of the catalogs in brackets, for readers of any language but English, until the test ends."""
    monkeypatch.setattr(catalogs, "load_catalog", lambda _locale: PseudoTranslations())


def find_untranslated(page: str, data: Collection[str] = ()) -> list[str]:
    """Return the texts of a page outside of the brackets; `data` names what is the same in every language."""
    reader = _Reader(data)
    reader.feed(page)
    return reader.found


class _Reader(HTMLParser):
    def __init__(self, data: Collection[str]) -> None:
        super().__init__()
        self.found: list[str] = []
        self._data = sorted(("Latchkey", *data), key=len, reverse=True)
        self._open: list[tuple[str, bool]] = []  # each open element, and whether its text is not to be translated
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        exempt = self._exempt or tag in UNTRANSLATED or ("lang" in names and tag != "html")
        if not exempt:
            for name in SHOWN & names.keys():
                self._check(re.sub("⟦[^⟧]*⟧", "", names[name] or ""))
        if tag not in VOID:
            self._open.append((tag, exempt))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for part in MARKS.split(data):
            if MARKS.fullmatch(part):
                self._inside = part == "⟦"
            elif not self._inside and not self._exempt:
                self._check(part)

    @property
    def _exempt(self) -> bool:
        return bool(self._open) and self._open[-1][1]

    def _check(self, text: str) -> None:
        rest = text
        for known in self._data:
            rest = rest.replace(known, "")
        if LETTER.search(rest):
            self.found.append(text.strip())


def _list(value: str | list[str] | tuple[str, ...]) -> list[str]:
    return [value] if isinstance(value, str) else [it for it in value if it]
