"""Each private name of a library that we use exists; a failure here says which file of app/compat needs a change."""

import ast
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import flask_smorest
import psycopg.errors
import pytest
import sqlalchemy
from granian import Granian, _signals
from granian.server import mp
from prometheus_client import CollectorRegistry, Histogram, values
from prometheus_client.mmap_dict import MmapedDict

from tests.architecture.checkout import ROOT, files_in

DISTRIBUTIONS = {
    "flask_smorest": "flask-smorest",
    "granian": "granian",
    "prometheus": "prometheus-client",
    "psycopg": "psycopg",
    "sqlalchemy": "sqlalchemy",
}
ATTRIBUTE = re.compile(r"_[a-z]\w*")


def owners(folder: Path) -> Iterator[tuple[str, str, Any]]:
    """Return (file of app/compat, private name, object that must have it)."""
    yield "flask_smorest", "_register_error_handlers", flask_smorest.Api
    yield "granian", "_wsgi_call_wrap", mp
    yield "granian", "set_main_signals", _signals
    yield from (("granian", name, Granian("app:x")) for name in ("wrks", "signal_handler_interrupt"))
    yield "prometheus", "MmapedDict", values
    mapped = MmapedDict(str(folder / "numbers.db"))  # type: ignore[no-untyped-call]
    for name in ("_capacity", "_f", "_fname", "_init_value", "_m", "_positions", "_used"):
        yield "prometheus", name, mapped
    histogram = Histogram("private_names", "A histogram", registry=CollectorRegistry())
    yield from (("prometheus", name, histogram) for name in ("_buckets", "_sum", "_upper_bounds"))
    yield "psycopg", "_WaitTimeout", psycopg.errors
    yield "sqlalchemy", "_has_events", sqlalchemy.Connection
    compiled = sqlalchemy.select(sqlalchemy.literal(1)).compile()
    yield from (("sqlalchemy", name, compiled) for name in ("_bind_processors", "_result_columns"))


def test_every_private_name_exists(tmp_path: Path) -> None:
    missing = [
        f"{DISTRIBUTIONS[file]} {version(DISTRIBUTIONS[file])} has no {name} any more: change app/compat/{file}.py"
        for file, name, owner in owners(tmp_path)
        if not hasattr(owner, name)
    ]
    assert not missing, "\n".join(missing)


def test_sqlalchemy_still_takes_the_private_argument_of_construct_params() -> None:
    compiled = sqlalchemy.insert(sqlalchemy.table("t", sqlalchemy.column("a"))).compile(column_keys=["a"])
    assert list(compiled.construct_params(_check=False)) == ["a"], (
        "construct_params has no argument _check any more: change app/compat/sqlalchemy.py"
    )


def test_granian_looks_the_replaced_names_up_when_a_worker_starts() -> None:
    started = mp.MPServer._spawn_wsgi_worker
    names = _names_used_by(started)
    assert "_wsgi_call_wrap" in names, "granian's workers wrap the application otherwise: change app/compat/granian.py"
    assert "set_main_signals" in _names_used_by(_signals.set_sync_signals), (
        "granian's workers set their signal handlers otherwise: change app/compat/granian.py"
    )


def test_prometheus_client_opens_its_files_by_the_replaced_class(tmp_path: Path, monkeypatch: Any) -> None:
    opened: list[str] = []

    class Noted(MmapedDict):
        def __init__(self, filename: str) -> None:
            opened.append(filename)
            super().__init__(filename)  # type: ignore[no-untyped-call]

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(values, "MmapedDict", Noted)
    made: Any = values.MultiProcessValue()  # type: ignore[no-untyped-call]
    made("counter", "private_names", "private_names_total", (), (), "A counter").inc(1)
    assert opened, "prometheus_client opens its files otherwise: change app/compat/prometheus.py"


@pytest.mark.parametrize("file", sorted(DISTRIBUTIONS))
def test_a_file_names_the_version_that_it_is_bound_to(file: str) -> None:
    installed = re.match(r"\d+\.\d+", version(DISTRIBUTIONS[file]))
    assert installed is not None
    docstring = ast.get_docstring(_tree(file)) or ""
    assert re.search(rf"\(bound to (?:\S+ )?{re.escape(installed[0])}\)", docstring), (
        f"{DISTRIBUTIONS[file]} {installed[0]} is installed: check app/compat/{file}.py against it and name it there"
    )


def test_every_file_of_compat_is_checked_here() -> None:
    assert {file.stem for file in files_in("app/compat")} - {"__init__"} == set(DISTRIBUTIONS)


def test_no_other_file_imports_a_private_name_of_a_library() -> None:
    loose = [
        f"{file.relative_to(ROOT)}: {name.name}"
        for file in files_in("app")
        if file.parent.name != "compat"
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
        if ATTRIBUTE.match(name.name)
    ]
    assert not loose, loose


def _tree(file: str) -> ast.Module:
    return ast.parse((ROOT / f"app/compat/{file}.py").read_text(encoding="utf-8"))


def _names_used_by(function: Any) -> set[str]:
    """Return the global names of a function, and of one that its decorators wrap."""
    codes = [cell.cell_contents.__code__ for cell in function.__closure__ or () if callable(cell.cell_contents)]
    used: Mapping[str, set[str]] = {code.co_name: set(code.co_names) for code in (*codes, function.__code__)}
    return set().union(*used.values())
