"""The locks install today and next year: whatever is released since, on each Python and machine that we support."""

import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from tests.architecture.checkout import ROOT
from tests.scripts.locked import HASH, LOCKS, MACHINES, PROJECT, PYTHONS, declared, environment_of, holds, lacks, pins

NEWER = "99999"  # a release of next year
EXTRAS = re.compile(r"^([\w.-]+)\[[^]]+\]==", re.MULTILINE)
GLIBC = range(5, 37)  # minor versions, up to Debian 12's
PREPARED = re.compile(r"^pip install (.*--requirement) ", re.MULTILINE)


def text_of(lock: str) -> str:
    return (ROOT / lock).read_text(encoding="utf-8")


@pytest.mark.parametrize("lock", LOCKS)
def test_each_entry_is_one_version_with_hashes(lock: str) -> None:
    assert all(pin.version and pin.hashes for pin in pins(text_of(lock)))


@pytest.mark.contract("the lock installs beside newer releases, on each Python")
@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("machine", MACHINES)
def test_a_lock_is_complete_with_the_extras_that_are_asked_for(lock: str, python: str, machine: str) -> None:
    assert lacks(pins(text_of(lock)), declared(lock), environment_of(python, machine)) == []


def test_a_lock_without_extras_would_be_found_incomplete() -> None:
    stripped = pins(EXTRAS.sub(r"\1==", text_of("requirements-dev.txt")))
    found = lacks(stripped, declared("requirements-dev.txt"), default_environment())
    assert any(one.startswith("pytest-cov needs coverage[toml]") for one in found)


def test_the_lock_to_run_is_a_part_of_the_lock_to_work_on_it() -> None:
    work = {(pin.name, pin.version, str(pin.requirement.marker)) for pin in pins(text_of("requirements-dev.txt"))}
    run = {(pin.name, pin.version, str(pin.requirement.marker)) for pin in pins(text_of("requirements.txt"))}
    assert run <= work


def test_the_lock_to_run_has_no_extra() -> None:
    optional = {
        Requirement(one).name for extra in PROJECT["project"]["optional-dependencies"].values() for one in extra
    }
    assert optional and not [pin.name for pin in pins(text_of("requirements.txt")) if pin.name in optional]
    assert not [pin.name for pin in pins(text_of("requirements.txt")) if "opentelemetry" in pin.name]


def test_the_classifiers_name_the_pythons_that_are_tested() -> None:
    said = [name.rpartition(" :: ")[2] for name in PROJECT["project"]["classifiers"] if ":: Python :: " in name]
    assert said == list(PYTHONS)
    assert f">={PYTHONS[0]}" == PROJECT["project"]["requires-python"]


@cache
def wheels() -> dict[str, list[tuple[Version, frozenset[Tag], str]]]:
    """Return version, tags and hash of each wheel that scripts/lock listed, by distribution."""
    found: dict[str, list[tuple[Version, frozenset[Tag], str]]] = {}
    for line in text_of("requirements-wheels.txt").splitlines()[1:]:
        file, digest = line.split(" sha256:")
        name, version, _, tags = parse_wheel_filename(file)
        found.setdefault(name, []).append((version, tags, digest))
    return found


def tags_of(python: str, machine: str) -> Iterator[Tag]:
    """Return the tags of wheels that CPython of this version takes on Linux with the glibc of Debian 12."""
    version = tuple(map(int, python.split(".")))
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in reversed(GLIBC)]
    platforms += [f"manylinux2014_{machine}", f"manylinux2010_{machine}", f"manylinux1_{machine}"]
    yield from cpython_tags(version, platforms=platforms)
    yield from compatible_tags(version, f"cp{python.replace('.', '')}", platforms)


@pytest.mark.contract("the lock installs beside newer releases, on each Python")
@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_has_to_be_compiled(lock: str, python: str, machine: str) -> None:
    """Each entry has a wheel for each Python and machine, by the list that scripts/lock made of the index."""
    tags = set(tags_of(python, machine))
    wanted = [pin for pin in pins(text_of(lock)) if pin.is_for(environment_of(python, machine))]
    without = [
        str(pin.requirement)
        for pin in wanted
        if not any(
            version == Version(pin.version) and digest in pin.hashes and not tags.isdisjoint(their)
            for version, their, digest in wheels().get(pin.name, [])
        )
    ]
    assert without == []


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index (PEP 503): of each distribution that is locked for here the locked release, and a newer one."""
    folder = tmp_path_factory.mktemp("index")
    locked = pins(text_of("requirements-dev.txt"))
    said = {pin.name: _requires(pin.name) for pin in locked}
    extras = {extra for lines in said.values() for line in lines or () for extra in line.extras}
    extras.update(*(pin.requirement.extras for pin in locked))
    for pin in locked:
        if (lines := said[pin.name]) is None:
            continue  # not for this machine
        for version in (pin.version, NEWER):
            _make_wheel(folder / pin.name, pin.name, version, _for_here(lines, extras))
        links = [f'<a href="{file.name}">{file.name}</a>' for file in sorted((folder / pin.name).iterdir())]
        (folder / pin.name / "index.html").write_text("<!DOCTYPE html>" + "\n".join(links))
    return folder


def _requires(name: str) -> list[Requirement] | None:
    try:
        return [Requirement(line) for line in distribution(name).requires or []]
    except PackageNotFoundError:
        return None


def _for_here(lines: list[Requirement], extras: set[str]) -> list[str]:
    """Return what may be needed here: pip takes seconds to read the extras that nothing asks for."""
    here = default_environment()
    return [str(line) for line in lines if holds(line.marker, here, ["", *extras])]


def _make_wheel(folder: Path, name: str, version: str, requires: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    extras = {extra for line in requires for extra in re.findall(r"extra == ['\"]([^'\"]+)", line)}
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Provides-Extra: {extra}" for extra in sorted(extras)] + [f"Requires-Dist: {line}" for line in requires]
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{stem}.dist-info/METADATA", "\n".join(lines) + "\n")
        wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{stem}.dist-info/RECORD", "")


@pytest.fixture
def install(index: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Try to install a lock from that index, with the hashes of its wheels; nothing is changed here."""

    def run(lock: str, *options: str) -> subprocess.CompletedProcess[str]:
        here, lines = default_environment(), []
        for pin in pins(lock):
            file = index / pin.name / f"{pin.name.replace('-', '_')}-{pin.version}-py3-none-any.whl"
            if pin.is_for(here):
                lines.append(f"{pin.requirement} --hash=sha256:{sha256(file.read_bytes()).hexdigest()}")
        (tmp_path / "lock.txt").write_text("\n".join(lines))
        command = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install", "--dry-run"]
        command += ["--ignore-installed", "--no-cache-dir", f"--index-url={index.as_uri()}", *options]
        command += ["--require-hashes", f"--requirement={tmp_path / 'lock.txt'}"]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    return run


Install = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.contract("the lock installs beside newer releases, on each Python")
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_installs_beside_newer_releases_even_when_it_is_resolved_again(install: Install, lock: str) -> None:
    done = install(text_of(lock))
    assert done.returncode == 0, done.stderr
    assert NEWER not in done.stdout.splitlines()[-1]


def test_a_lock_without_extras_does_not_install_beside_newer_releases(install: Install) -> None:
    """Check that the test above can fail."""
    done = install(EXTRAS.sub(r"\1==", text_of("requirements-dev.txt")))
    assert done.returncode != 0 and "must have their versions pinned with ==" in done.stderr


def test_what_prepare_runs_resolves_nothing_again(install: Install) -> None:
    """Check it for a lock without extras: prepare installs what is named and nothing else, then checks it."""
    script = (ROOT / "scripts/prepare").read_text(encoding="utf-8")
    (options,) = PREPARED.findall(script)
    chosen = [option for option in shlex.split(options) if option not in ("--requirement", "--require-hashes")]
    assert "--require-hashes" in options and re.search(r"^pip check$", script, re.MULTILINE)
    done = install(EXTRAS.sub(r"\1==", text_of("requirements.txt")), *chosen)
    assert done.returncode == 0, done.stderr


def test_the_list_of_wheels_is_of_these_locks() -> None:
    held = {digest for lock in LOCKS for digest in HASH.findall(text_of(lock))}
    listed = {digest for found in wheels().values() for _, _, digest in found}
    assert listed and listed <= held
    assert {canonicalize_name(pin.name) for pin in pins(text_of("requirements-dev.txt"))} == set(wheels())
