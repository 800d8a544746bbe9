"""A kind answers for itself: no other part of the code decides anything by the name of a kind."""

import ast
from collections.abc import Iterator

import pytest

from app.credentials.api_key import ApiKeys
from app.credentials.exchanged import ExchangedTokens
from app.credentials.m2m import MachineTokens
from app.credentials.pat import PersonalAccessTokens
from tests.architecture.checkout import files_in, short

KINDS = (PersonalAccessTokens, ApiKeys, MachineTokens, ExchangedTokens)
NAMES, CLASSES = {kind.name for kind in KINDS}, {kind.__name__ for kind in KINDS}
OWN = ("app/credentials/", "app/comparison/", "app/resource_server", "app/migrations/")  # the last: names of tables
TABLES = {
    "app/compose.py": "joins the kinds with the directory's own ways to revoke",
    "app/web/console/links.py": "which page shows which object",
    "app/models/authority.py": "names of tables",
    "app/models/status_watch.py": "names of tables",
}
CASES = {
    'if claims.kind == "badge": pass': 1,
    'x = found.credential_type in ("a", "b")': 1,
    "if kind.name != ApiKeys.name: pass": 1,
    'if "api_key" == said: pass': 1,
    "match claims.kind:\n    case 'api_key': pass": 1,
    "TITLES = {ApiKeys.name: 1, 'api_key': 2}": 1,
    "if kind.target == target and found: pass": 0,
    "names = [kind.name for kind in kinds]": 0,
    'if claims.kind is None or "token" in form: pass': 0,
}


def decisions(tree: ast.AST) -> Iterator[ast.AST]:
    """Return each comparison of a kind with a name, each match of one, and each table with names of kinds for keys."""
    return (node for node in ast.walk(tree) if _compares(node) or _matches(node) or _is_table(node))


def _compares(node: ast.AST) -> bool:
    parts = (node.left, *node.comparators) if isinstance(node, ast.Compare) else ()
    return any(map(_is_name, parts)) or (any(map(_is_of_kind, parts)) and any(map(_is_text, parts)))


def _matches(node: ast.AST) -> bool:
    return isinstance(node, ast.Match) and _is_of_kind(node.subject)


def _is_table(node: ast.AST) -> bool:
    return isinstance(node, ast.Dict) and any(key is not None and _is_name(key) for key in node.keys)


def _is_name(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id in CLASSES
    return isinstance(node, ast.Constant) and node.value in NAMES


def _is_of_kind(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in ("kind", "credential_type")


def _is_text(node: ast.AST) -> bool:
    inner = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    return any(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in inner)


@pytest.mark.parametrize("code", CASES)
def test_a_decision_by_the_name_of_a_kind_is_seen(code: str) -> None:
    assert len(list(decisions(ast.parse(code)))) == CASES[code]


def test_nothing_but_the_kinds_decides_by_the_name_of_a_kind() -> None:
    found = {
        f"{short(file)}:{getattr(node, 'lineno', 0)}"
        for file in files_in("app")
        if not short(file).startswith(OWN) and short(file) not in TABLES
        for node in decisions(ast.parse(file.read_text(encoding="utf-8")))
    }
    assert not found, found
