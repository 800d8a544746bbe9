"""Plain English: forbidden turns of phrase and function names, each with a better wording."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.checkout import files, functions, module, short

# Folders and files whose wording is not yet cleaned up; a new entry is never added, an entry only goes.
NOT_YET_CLEAN: tuple[str, ...] = ()
PROSE = {".md", ".html", ".js", ".css", ".mako", ".toml"}


@dataclass(frozen=True)
class Turn:
    """A turn of phrase, what to write instead, and texts that it matches and does not match."""

    pattern: str
    better: str
    wrong: str
    right: str


TURNS = (
    Turn(r"\banew\b", "again, from the start", "is read anew", "is read again"),
    Turn(r"\bof before\b", "earlier, previous, old", "the keys of before", "the keys from before the change"),
    Turn(
        r"\b(?<!there )(?:is|are|was|were) no(?:ne of)? (?!longer\b|more than\b|less\b|later\b|earlier\b)\w+",
        "is not a valid …: use …; is not a …; is not one of …",
        "'x' is no time",
        "there is no file, and it is no longer needed",
    ),
    Turn(r"\bno more\b(?! than\b)", "no longer, not any more", "the roles give no more", "no more than two"),
    Turn(
        r"\b(?:of|by|to|from|for|with|but|and) who (?!it\b|they\b|you\b|we\b)\w+",
        "the caller, the client, the user that …",
        "asked of who holds a token",
        "a user who holds a token",
    ),
    Turn(r"\bwho asks\b", "the caller, the client", "who asks gets it", "a client that asks gets it"),
    Turn(r"\bwhoever\b", "anyone who, the client that, every …", "whoever reads it", "anyone who reads it"),
    Turn(r"\b(?:told|tells)\b", "reports, returns, says, names", "the caller is told", "the caller gets an error"),
    Turn(r"\bshall\b", "must, does, will", "what it shall hold", "what it must contain"),
    Turn(r"\bhears? of\b", "learns of, sees, is notified of", "hears of the end", "sees the end"),
    Turn(
        r"\bstands\b(?! for\b)",
        "is, applies, holds, is stored, depends on",
        "what it stands on, and stands until",
        "a prefix stands for a kind",
    ),
    Turn(r"\bkeeps itself\b", "is not stored", "a JWT keeps itself", "a JWT is not stored"),
    Turn(
        r"\bthose (?:of|that|who|which|with|in|on|from|by)\b",
        "repeat the noun: the keys of …, the rows that …",
        "those of a store",
        "those keys",
    ),
    Turn(
        r"\b(?:houses?|faces?|doors?|roads?|rooms)\b|\b(?:a|each|this|its|own) room\b",
        "package, layer, interface (API, CLI, pages), endpoint",
        "each face prints it",
        "no room on the disk",
    ),
)
DOCSTRING_STARTS = Turn(
    r"\A(?:Give|Gives|Let|Lets|Tell|Tells|Hand|Hands|Say|Says)\b",
    "an imperative verb: Return, Raise, Check, List, Make",
    "Give the row.",
    "Return the row.",
)
PARTICIPLE = re.compile(
    "asked|begun|bound|built|come|counted|done|drawn|found|given|gone|held|kept|known|left|made|meant|noted|ones?|said"
    "|seen|sent|shown|taken|told|three|two|whole|written"
)
STATES = frozenset({"property", "cached_property"})  # a state may be named by its participle


@pytest.mark.parametrize("turn", [*TURNS, DOCSTRING_STARTS], ids=lambda turn: turn.pattern)
def test_a_pattern_finds_its_turn_and_nothing_else(turn: Turn) -> None:
    assert re.search(turn.pattern, turn.wrong) and not re.search(turn.pattern, turn.right)


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: turn.pattern)
def test_no_text_has_a_forbidden_turn(turn: Turn) -> None:
    found = [f"{place} {text.strip()[:100]}" for place, text in _texts() if re.search(turn.pattern, text, re.I)]
    assert not found, f"write instead: {turn.better}\n" + "\n".join(found)


def test_no_name_of_a_test_has_a_forbidden_turn() -> None:
    found = [
        f"{short(file)}:{function.lineno} {function.name}: {turn.better}"
        for file in _clean(".py")
        for function in functions(file)
        for turn in TURNS
        if function.name.startswith("test_") and re.search(turn.pattern, function.name.replace("_", " "))
    ]
    assert not found, "\n".join(found)


def test_docstrings_begin_with_a_plain_verb_or_a_noun() -> None:
    found = [
        f"{short(file)}:{function.lineno} {function.docstring[:80]}"
        for file in _clean(".py")
        for function in functions(file)
        if re.search(DOCSTRING_STARTS.pattern, function.docstring)
    ]
    assert not found, f"write instead: {DOCSTRING_STARTS.better}\n" + "\n".join(found)


def test_a_function_is_named_by_a_verb_and_a_noun_not_by_a_participle() -> None:
    found = [
        f"{short(file)}:{function.lineno} {function.name}"
        for file in _clean(".py")
        for function in functions(file)
        if PARTICIPLE.fullmatch(function.name.strip("_")) and not STATES & function.decorators
    ]
    assert not found, "write instead: a verb and a noun, as in verify_claims or render_form\n" + "\n".join(found)


def _clean(*suffixes: str) -> Iterator[Path]:
    for file in files():
        name = short(file)
        vendored = "static" in file.parts and file.suffix != ".py"
        if file.suffix in suffixes and not name.startswith(NOT_YET_CLEAN) and not vendored and file != Path(__file__):
            yield file


@cache
def _texts() -> tuple[tuple[str, str], ...]:
    """Return (place, text) of every docstring, comment and string of Python, and of every line of other texts."""
    python = [(f"{short(file)}:{line}", text) for file in _clean(".py") for line, text in _python_texts(file)]
    prose = [
        (f"{short(file)}:{line}", text)
        for file in _clean(*PROSE)
        for line, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    ]
    return (*python, *prose)


def _python_texts(file: Path) -> Iterator[tuple[int, str]]:
    for number, text in module(file).strings:
        yield number, " ".join(text.split())
    lines = file.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):  # a tokenizer costs a hundred times as much
        if comment := line.partition("#")[2]:
            yield number, comment
