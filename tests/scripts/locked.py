"""What the two locks hold, and what the locked distributions say that they need."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from packaging.markers import Environment, Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.checkout import ROOT

LOCKS = ("requirements.txt", "requirements-dev.txt")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Pin:
    """One entry of a lock."""

    requirement: Requirement
    hashes: frozenset[str]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        (specifier,) = self.requirement.specifier
        assert specifier.operator == "==" and "*" not in specifier.version
        return specifier.version

    def is_for(self, environment: Environment) -> bool:
        return holds(self.requirement.marker, environment)


@cache
def pins(text: str) -> list[Pin]:
    """Read a lock: `name[extras]==version ; marker \\` and its hashes, a line each."""
    entries = text.replace("\\\n", " ").splitlines()
    return [Pin(Requirement(HASH.sub("", entry)), frozenset(HASH.findall(entry))) for entry in entries if entry]


def environment_of(python: str, machine: str) -> Environment:
    """Return what markers see on Linux with this Python (its newest patch) on this machine."""
    here = default_environment()
    here["python_version"], here["python_full_version"] = python, f"{python}.99"
    here["implementation_version"], here["platform_machine"] = f"{python}.99", machine
    return here


def holds(marker: Marker | None, environment: Environment, extras: Iterable[str] = ("",)) -> bool:
    """Return whether a marker is true in an environment, with one of these extras."""
    values = {name: str(value) for name, value in environment.items()}
    return marker is None or any(marker.evaluate(values | {"extra": extra}) for extra in extras)


def needs(name: str, extras: Iterable[str], environment: Environment) -> Iterator[Requirement]:
    """Return what a distribution that is installed here needs; nothing for one that is not."""
    try:
        said = distribution(name).requires or []
    except PackageNotFoundError:
        return
    for requirement in map(Requirement, said):
        if holds(requirement.marker, environment, ["", *extras]):
            yield requirement


def declared(lock: str) -> list[Requirement]:
    """Return what pyproject.toml asks of a lock."""
    groups = PROJECT["dependency-groups"]
    asked = [*PROJECT["project"]["dependencies"], *groups["build"]]
    if lock == "requirements-dev.txt":
        asked += [entry for entry in groups["dev"] if isinstance(entry, str)]
        asked += [entry for extra in PROJECT["project"]["optional-dependencies"].values() for entry in extra]
    return [Requirement(entry) for entry in asked]


def lacks(lock: Iterable[Pin], roots: Iterable[Requirement], environment: Environment) -> list[str]:
    """Name what the lock's own entries and `roots` need in this environment, and the lock does not give."""
    given: Mapping[str, Pin] = {pin.name: pin for pin in lock if pin.is_for(environment)}
    wanted = [("pyproject.toml", root) for root in roots if holds(root.marker, environment)]
    wanted += [
        (pin.name, need) for pin in given.values() for need in needs(pin.name, pin.requirement.extras, environment)
    ]
    return [f"{by} needs {need}" for by, need in wanted if not _is_given(need, given)]


def _is_given(need: Requirement, given: Mapping[str, Pin]) -> bool:
    pin = given.get(canonicalize_name(need.name))
    return pin is not None and need.specifier.contains(pin.version, True) and need.extras <= pin.requirement.extras
