"""Sizes and layout: what keeps the code readable."""

import ast
import re
from pathlib import Path

from tests.architecture.checkout import ROOT, files, files_in, functions, short

LONGEST_FUNCTION = 40  # lines, docstring and all
LONGEST_FILE = 400  # lines
LOCKS = {"package-lock.json", "go.sum", "Cargo.lock"}  # nobody reads them
TOP_LEVEL = re.compile(
    r"\..*|pyproject\.toml|README\.md|CHANGELOG\.md|LICENSE|requirements.*\.txt|app|tests|instance|scripts"
)
SOURCE = {".py", ".sh", ".html", ".css", ".js", ".md", ".toml", ".mako", ""}
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "NotImplemented" + "Error"]) + r")\b")
NOT_RUN = re.compile(r"pytest\.mark\.(sk" + r"ip|x" + r"fail)")
REGISTRIES = re.compile("|".join(["py" + r"pi\.org", "python" + r"hosted\.org", "npm" + r"js\.(org|com)"]))
DRAWERS = {"utils", "util", "helpers", "common", "misc", "manager", "managers"}


def test_no_function_of_app_is_longer_than_forty_lines() -> None:
    long = [
        f"{short(file)}:{f.lineno} {f.name}: {f.end_lineno - f.lineno + 1} lines"
        for file in files_in("app")
        if "versions" not in file.parts  # a migration is a list of tables, not a thought
        for f in functions(file)
        if f.end_lineno - f.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not long


def test_no_file_of_ours_is_longer_than_four_hundred_lines() -> None:
    ours = [file for file in files_in("app") + files_in("tests") + files_in("scripts", "*") if file.name not in LOCKS]
    long = {short(file): count for file in ours if (count := len(file.read_bytes().splitlines())) > LONGEST_FILE}
    assert not long


def test_nothing_is_left_unfinished_or_switched_off() -> None:
    assert not _lines_with(UNFINISHED)
    assert not _lines_with(NOT_RUN)


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert not _lines_with(REGISTRIES, SOURCE | {".txt", ".json", ".lock"})


def test_every_package_states_its_law() -> None:
    packages = {file.parent for file in files_in("app") + files_in("tests") if file.parent.name != "versions"}
    silent = [short(package) for package in packages if not _docstring_of(package / "__init__.py")]
    assert sorted(set(silent) - {"app/migrations"}) == []


def test_the_top_level_holds_only_what_the_layout_names() -> None:
    assert not {short(file).split("/")[0] for file in files() if not TOP_LEVEL.fullmatch(short(file).split("/")[0])}


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    assert not [short(file) for file in files_in("app") if DRAWERS & {file.stem, *file.relative_to(ROOT).parts}]


def test_the_scripts_can_be_run_as_they_are() -> None:
    programs = [ROOT / ".ci/run", *(file for file in files_in("scripts", "*") if file.parent == ROOT / "scripts")]
    assert not [short(file) for file in programs if not file.stat().st_mode & 0o111 or file.suffix]


def _lines_with(pattern: re.Pattern[str], suffixes: set[str] = SOURCE) -> list[str]:
    return [
        f"{short(file)}:{number} {line.strip()[:80]}"
        for file in files()
        if file.suffix in suffixes and "static" not in file.parts  # vendored files are not ours
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def _docstring_of(file: Path) -> str | None:
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) if file.is_file() else None


def test_each_advisory_lock_has_a_number_of_its_own() -> None:
    assigned = [
        (ast.literal_eval(node.value), short(file))
        for file in files_in("app")
        if b"\nLOCK" in file.read_bytes()  # to parse all files would cost a second
        for node in ast.parse(file.read_bytes()).body
        if isinstance(node, ast.Assign) and [getattr(name, "id", "") for name in node.targets] == ["LOCK"]
    ]
    assert len(assigned) >= 5 and len({number for number, _ in assigned}) == len(assigned), assigned
