"""A pytest plugin: marks each test whose code, or whose fixtures' code, can start a server (`live`) or a `program`.

It follows the names in the code of the test, of its fixtures and of what these name in tests/ and scripts/.
"""

import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from types import CodeType, FunctionType, ModuleType

import pytest

from tests import cluster, databases, fork_server, live, machine

STARTERS: dict[str, tuple[object, ...]] = {
    "live": (live.LiveServer, fork_server, fork_server.run),
    "program": (subprocess, cluster.Cluster, cluster.program, databases.cluster, machine.require_program),
}
OURS = ("tests.", "scripts.")
# these start nothing unless they are asked to
NOT_FOLLOWED = frozenset({"tests.cluster", "tests.databases", "tests.fork_server", "tests.live"})


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the markers."""
    for item in items:
        if isinstance(item, pytest.Function):
            fixtures = item._fixtureinfo.name2fixturedefs.values()
            for marker in marker_names([item.function, *(each.func for found in fixtures for each in found)]):
                item.add_marker(marker)


def marker_names(functions: Iterable[object]) -> list[str]:
    """Return the markers of a test that consists of these functions."""
    named = frozenset[int]().union(*(_reached_from(_plain(function)) for function in functions))
    return [marker for marker, starters in STARTERS.items() if any(id(starter) in named for starter in starters)]


@cache
def _reached_from(start: object) -> frozenset[int]:
    reached: dict[int, object] = {}
    ahead = [start]
    while ahead:
        for found in _named_in(ahead.pop()):
            if id(found) not in reached:
                reached[id(found)] = found
                ahead.append(found)
    return frozenset(reached)


def _named_in(what: object) -> Iterator[object]:
    """Yield what the code of a function or of a class of ours names."""
    if isinstance(what, type):
        yield from (base for base in what.__mro__[1:] if _is_ours(base))
        yield from (_plain(value) for value in vars(what).values())
    elif isinstance(what, FunctionType) and _is_ours(what):
        yield from _globals_of(what)


def _globals_of(function: FunctionType) -> Iterator[object]:
    names = _names(function.__code__)
    for name in names & function.__globals__.keys():
        found = _plain(function.__globals__[name])
        yield found
        if isinstance(found, ModuleType) and f"{found.__name__}.".startswith(OURS):
            yield from (_plain(vars(found)[other]) for other in names & vars(found).keys())


def _names(code: CodeType) -> set[str]:
    nested: Iterable[CodeType] = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names, nested))


def _plain(value: object) -> object:
    """Return the function below its decorators, or the value itself."""
    if isinstance(value, property):
        return value.fget
    while (below := getattr(value, "__wrapped__", None) or getattr(value, "__func__", None)) is not None:
        value = below
    return value


def _is_ours(what: object) -> bool:
    module = str(getattr(what, "__module__", ""))
    return module.startswith(OURS) and module not in NOT_FOLLOWED
