"""Every regular expression of app/, how it is used, and the strings that would show that one is not linear."""

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from types import ModuleType
from typing import Any

from werkzeug.routing import BaseConverter

import app

ROOT = Path(app.__file__).parent
NOT_IMPORTED = ("app.migrations.env", "app.migrations.__main__", "app.migrations.versions")
USES = ("search", "match", "fullmatch", "sub", "split", "findall", "finditer")
NAMED_WITH_USES = re.compile(rf"\.\s*(?:{'|'.join(USES)}|Regexp)\b|\bpattern\s*=")  # all that a use is written with
NAMES_RE = re.compile(r"\bre\b")  # without it, nothing is of `re` or imported from it
SIZES = (24, 100, 400, 1_600, 5_000, 16_000)  # characters; at a lower one, what is not linear is seen before it hangs
MOST_SECONDS = 0.1  # of CPU for one use at the largest size: a linear one takes about a millisecond
BREAKS = ("", "\0", "!", "\n")
Parsed = Any


@dataclass(frozen=True)
class Use:
    """A pattern and the method it is used by."""

    place: str
    pattern: re.Pattern[Any]
    method: str


def uses() -> list[Use]:
    """Return every use of a pattern in app/; raise AssertionError for one that cannot be found out."""
    named = {name: module for module in modules() for name, value in vars(module).items() if _is_pattern(value)}
    found: list[Use] = []
    for path in sorted(ROOT.rglob("*.py")):
        text, place = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
        if NAMED_WITH_USES.search(text):  # parsing each file would cost every test process seconds
            nodes = list(ast.walk(ast.parse(text)))
            found += _inline_uses(nodes, place)
            found += _named_uses(nodes, place)
    found += [Use(f"{c.__module__}.{c.__name__}", re.compile(c.regex), "fullmatch") for c in _converters()]
    seen = {use.pattern.pattern for use in found}
    unused = {f"{m.__name__}.{n}" for n, m in named.items() if getattr(m, n).pattern not in seen}
    assert not unused, f"no use of these patterns was found: {unused}"
    return found


def modules() -> Iterator[ModuleType]:
    """Import every module of app/ but the migrations."""
    for one in pkgutil.walk_packages(app.__path__, "app."):
        if not one.name.startswith(NOT_IMPORTED):
            yield importlib.import_module(one.name)


def stray_patterns() -> list[str]:
    """Return where a pattern is made that `uses` does not see: within a function, of a text that is not constant."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in texts.items() if NAMES_RE.search(text)}
    return [f"{path.relative_to(ROOT)}:{node.lineno}" for path, tree in trees.items() for node in _stray(tree)]


def seconds_of(use: Use) -> float:
    """Return the CPU seconds of the slowest attack at the largest size it got to."""
    slowest = 0.0
    for attack in islice(attacks(use.pattern), 400):
        for size in SIZES:
            text = attack(size)
            began = time.thread_time()
            _run(use, text)
            slowest = max(slowest, time.thread_time() - began)
            if slowest > MOST_SECONDS:
                return slowest
    return slowest


def attacks(pattern: re.Pattern[Any]) -> Iterator[Any]:
    """Return functions of a size: the pattern's own pieces and their pairs, repeated, with an end that fits nothing."""
    pieces = _pieces(pattern)
    repeated = [*pieces, *(a + b for a, b in product(pieces[:8], repeat=2) if a != b)]
    openings = ["", *pieces[:3]]
    for ending, piece, opening in product(BREAKS, repeated, openings):
        yield lambda size, o=opening, p=piece, e=ending: _spelled(pattern, o + p * (size // len(p)) + e)


def _spelled(pattern: re.Pattern[Any], text: str) -> Any:
    return text.encode("latin-1", "replace") if isinstance(pattern.pattern, bytes) else text


def _run(use: Use, text: Any) -> None:
    if use.method in ("sub", "subn"):
        use.pattern.sub(text[:0], text)
    elif use.method == "finditer":
        list(use.pattern.finditer(text))
    else:
        getattr(use.pattern, use.method)(text)


def _pieces(pattern: re.Pattern[Any]) -> list[str]:
    """Return literals, runs of them, members of classes, and a short match of the whole pattern."""
    parser = importlib.import_module("re._parser")
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    parsed = parser.parse(text, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags)
    whole = _example(parsed)
    found = [whole, *_runs(parsed), *(whole[:n] for n in range(1, min(len(whole), 8)))]
    return [piece for piece in dict.fromkeys(found) if piece]


def _runs(parsed: Parsed) -> Iterator[str]:
    literal = ""
    for name, value in parsed:
        kind = str(name)
        if kind == "LITERAL":
            literal += chr(value)
            continue
        if literal:
            yield literal
        literal = ""
        for inner in _inner(kind, value):
            yield from _runs(inner)
        if kind in ("IN", "ANY", "NOT_LITERAL"):
            yield _member(kind, value)
    if literal:
        yield literal


def _inner(kind: str, value: Any) -> list[Parsed]:
    if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return [value[2]]
    if kind == "SUBPATTERN":
        return [value[3]]
    if kind == "ATOMIC_GROUP":
        return [value]
    return list(value[1]) if kind == "BRANCH" else []


def _example(parsed: Parsed) -> str:
    text = ""
    for name, value in parsed:
        kind = str(name)
        if kind == "LITERAL":
            text += chr(value)
        elif kind in ("IN", "ANY", "NOT_LITERAL"):
            text += _member(kind, value)
        elif kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            text += _example(value[2]) * max(1, min(value[0], 100))
        elif inner := _inner(kind, value):
            text += _example(inner[0])
    return text


def _member(kind: str, value: Any) -> str:
    """Return a character of a class."""
    if kind != "IN":
        return "a"
    head, what = str(value[0][0]), value[0][1]
    if head == "NEGATE":
        return "a"
    if head == "LITERAL":
        return chr(what)
    if head == "RANGE":
        return chr(what[0])
    return {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " "}.get(str(what), "a")


def _is_pattern(value: object) -> bool:
    return type(value) is re.Pattern  # isinstance() would ask Django's lazy settings, which there are none of


def _converters() -> list[type[BaseConverter]]:
    list(modules())
    return [c for c in BaseConverter.__subclasses__() if c.__module__.startswith("app.")]


def _called(node: ast.AST) -> str:
    """Return the name of the function of `re` that is called, empty for anything else."""
    called = node.func if isinstance(node, ast.Call) else None
    known = isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "re"
    return called.attr if known and called.attr in (*USES, "compile") else ""  # type: ignore[union-attr]


def _stray(tree: ast.Module) -> Iterator[Any]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "re")
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for node in ast.walk(function):
                name = _called(node)
                if name == "compile" or (name and not isinstance(node.args[0], ast.Constant)):  # type: ignore[attr-defined]
                    yield node


def _inline_uses(nodes: list[ast.AST], place: str) -> Iterator[Use]:
    """Return uses such as re.fullmatch("…", text), and the patterns of pydantic and marshmallow."""
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        if _called(node) in USES and isinstance(node.args[0], ast.Constant):
            yield Use(f"{place}:{node.lineno}", re.compile(str(node.args[0].value)), _called(node))
        texts = [k.value for k in node.keywords if k.arg == "pattern"]
        texts += node.args[:1] if isinstance(node.func, ast.Attribute) and node.func.attr == "Regexp" else []
        for text in texts:
            assert isinstance(text, ast.Constant), f"{place}:{node.lineno}: a pattern that is not constant"
            yield Use(f"{place}:{node.lineno}", re.compile(str(text.value)), "search")


def _named_uses(nodes: list[ast.AST], place: str) -> Iterator[Use]:
    """Return uses such as NAME.fullmatch(text), of a pattern of this module or of one that it imports."""
    used = [node for node in nodes if isinstance(node, ast.Attribute) and node.attr in USES]
    module = importlib.import_module(f"app.{place.removesuffix('.py').replace('/', '.')}") if used else None
    for node in used:
        pattern = getattr(module, node.value.id, None) if isinstance(node.value, ast.Name) else None
        if _is_pattern(pattern):
            yield Use(f"{place}:{node.lineno}", pattern, node.attr)  # type: ignore[arg-type]


__all__ = ["MOST_SECONDS", "Use", "attacks", "seconds_of", "stray_patterns", "uses"]
