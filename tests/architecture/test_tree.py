"""Check that app/README.md shows the packages, the files and the layers that the code has."""

import re
import tomllib
from pathlib import Path

from tests.architecture.checkout import ROOT, files_in, short

APP = ROOT / "app"
PAGE = (APP / "README.md").read_text(encoding="utf-8")
ENTRY = re.compile(r"^( *)(\S+?)(/?)(?:  .*)?$")
Layers = list[set[str]]


def block(heading: str) -> list[str]:
    """Return the lines of the first fenced block below a heading."""
    return PAGE.partition(f"\n## {heading}\n")[2].split("```text\n", 1)[1].partition("```")[0].splitlines()


def tree() -> tuple[set[str], set[str]]:
    """Return the folders and the files that the tree names, as paths inside the repository."""
    folders: set[str] = set()
    named: set[str] = set()
    above: list[str] = []
    for line in block("The tree"):
        entry = ENTRY.match(line)
        assert entry, f"not a line of the tree: {line!r}"
        depth = len(entry[1]) // 2
        above[depth:] = [entry[2]]
        (folders if entry[3] else named).add("/".join(above))
    return folders, named


def modules_of(folder: str) -> set[str]:
    """Return the Python files directly in a folder; `__init__.py` counts for `app` alone."""
    inside = {short(file) for file in files_in(folder) if short(file.parent) == folder}
    return inside if folder == "app" else inside - {f"{folder}/__init__.py"}


def parsed(layers: list[str]) -> Layers:
    """Return each layer as a set of names, without the marks of import-linter."""
    return [{name.strip(" ()") for name in re.split(r"[|:]", layer)} for layer in layers]


def contracts() -> dict[str, Layers]:
    """Return the layers of each contract of pyproject.toml, by their container."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layered = [one for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers"]
    return {container: parsed(one["layers"]) for one in layered for container in one["containers"]}


def test_the_tree_names_every_package_and_nothing_else() -> None:
    packages = {short(file.parent) for file in files_in("app") if file.name != "__main__.py"}
    assert tree()[0] == packages


def test_the_tree_names_every_module_at_the_root_and_only_files_that_exist() -> None:
    named = tree()[1]
    assert {name for name in named if Path(name).parent == Path("app")} == modules_of("app")
    assert sorted(name for name in named if not (ROOT / name).is_file()) == []


def test_a_package_whose_files_are_named_names_all_of_them() -> None:
    folders, named = tree()
    missing = [sorted(modules_of(one) - named) for one in folders if modules_of(one) & named]
    assert [names for names in missing if names] == []


def test_the_layers_equal_the_import_contracts() -> None:
    shown = dict(line.split(": ", 1) for line in block("Layers"))
    assert {container: parsed(layers.split(" → ")) for container, layers in shown.items()} == contracts()
