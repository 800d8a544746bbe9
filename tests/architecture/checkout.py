"""The files of the repository, as a clone has them."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def files() -> list[Path]:
    """Return every existing file that git tracks or would add."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def files_in(folder: str, pattern: str = "*.py") -> list[Path]:
    """Return the files under a folder whose names match the pattern."""
    return [file for file in files() if file.is_relative_to(ROOT / folder) and file.match(pattern)]


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return each function of a Python file, including nested ones and methods."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def short(file: Path) -> str:
    """Return a file's path inside the repository."""
    return file.relative_to(ROOT).as_posix()
