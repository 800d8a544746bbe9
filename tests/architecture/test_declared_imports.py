"""The code imports exactly what pyproject.toml declares: no dependency is only a transitive one."""

import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.architecture.checkout import ROOT, files_in, module
from tests.scripts.locked import PROJECT, pins

RESOURCE_SERVER = ROOT / "app/resource_server"
OURS = {"app", "latchkey_resource_server", "tests", "scripts"}
NOT_INSTALLED = sys.stdlib_module_names | {"_typeshed"} | OURS  # mypy brings _typeshed
PRIVATE_NAMES = ("granian", "prometheus-client", "psycopg", "sqlalchemy")  # libraries whose private names we use
DECLARED: list[str] = PROJECT["project"]["dependencies"]
GROUPS: dict[str, list[Any]] = PROJECT["dependency-groups"]
OWN_PROJECT = tomllib.loads((RESOURCE_SERVER / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL: list[str] = [one for extra in PROJECT["project"]["optional-dependencies"].values() for one in extra]
EXTRAS = [one for extra in OWN_PROJECT["optional-dependencies"].values() for one in extra]


def names_of(requirements: list[Any]) -> set[str]:
    """Return the distributions of requirements; an included group is left out."""
    return {canonicalize_name(Requirement(one).name) for one in requirements if isinstance(one, str)}


def programs(folder: str) -> list[Path]:
    """Return the Python files of a folder, with an extension or without."""
    found = files_in(folder, "*")
    return [one for one in found if one.suffix == ".py" or (not one.suffix and b"python" in one.read_bytes()[:40])]


@cache
def distributions() -> dict[str, set[str]]:
    """Return the distributions that bring each importable name."""
    return {name: {canonicalize_name(one) for one in found} for name, found in packages_distributions().items()}


def imported(files: list[Path]) -> dict[str, set[str]]:
    """Return the distributions that bring each module of others that the files import, installed here or not."""
    modules = {name for file in files for name in module(file).imports} - NOT_INSTALLED
    return {name: distributions().get(name, {canonicalize_name(name)}) for name in modules}


def files_of(part: str) -> list[Path]:
    """Return the Python files of one of the three parts."""
    if part == "app":
        return [one for one in programs("app") if not one.is_relative_to(RESOURCE_SERVER)]
    return [one for folder in part.split(" and ") for one in programs(folder)]


DECLARED_FOR = {
    "app": names_of(DECLARED + OPTIONAL),
    "app/resource_server": names_of(OWN_PROJECT["dependencies"] + EXTRAS),
    "tests and scripts": names_of(DECLARED + OPTIONAL) | names_of(GROUPS["dev"]) | names_of(GROUPS["build"]),
}


@pytest.mark.parametrize("part", DECLARED_FOR)
def test_what_is_imported_is_declared(part: str) -> None:
    found = imported(files_of(part))
    assert found and not {name: brought for name, brought in found.items() if not brought & DECLARED_FOR[part]}


@pytest.mark.parametrize(
    ("part", "declared"), [("app", DECLARED + OPTIONAL), ("app/resource_server", OWN_PROJECT["dependencies"])]
)
def test_what_is_declared_is_imported(part: str, declared: list[str]) -> None:
    assert names_of(declared) <= set().union(*imported(files_of(part)).values())


def test_an_undeclared_import_would_be_found(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(
        "from . import x\nimport json, oauthlib.oauth2\nif x:\n    from flask.views import View\n    import absent\n"
    )
    assert imported([file]) == {"oauthlib": {"oauthlib"}, "flask": {"flask"}, "absent": {"absent"}}


def test_the_resource_server_needs_what_the_lock_has() -> None:
    assert set(OWN_PROJECT["dependencies"]) < set(DECLARED)


def test_the_resource_server_needs_two_libraries_and_each_framework_by_choice() -> None:
    assert names_of(OWN_PROJECT["dependencies"]) == {"httpx", "pyjwt"}
    assert OWN_PROJECT["optional-dependencies"].keys() == {"django", "drf", "fastapi", "flask", "starlette"}


@pytest.mark.parametrize("name", PRIVATE_NAMES)
def test_a_library_whose_private_names_are_used_is_bound_to_its_locked_minor_version(name: str) -> None:
    (requirement,) = (one for one in map(Requirement, DECLARED) if one.name == name)
    lock = pins((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    (locked,) = {pin.version for pin in lock if pin.name == name}  # with an extra and without it
    version = Version(locked)
    bounds = {one.operator: one.version for one in requirement.specifier}
    assert bounds["<"] == f"{version.major}.{version.minor + 1}" and version in requirement.specifier
