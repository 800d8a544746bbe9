"""The files of the repository, as a clone has them."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Function:
    """A function; a decorator is named by its last name, as `fixture` for `@pytest.fixture()`."""

    name: str
    lineno: int
    end_lineno: int
    docstring: str
    decorators: frozenset[str]


@dataclass(frozen=True, slots=True)
class Module:
    """What the tests read of a Python file: nested functions and methods too, each string with its line, imports.

    An import is the top-level module of one by its full name.
    """

    functions: tuple[Function, ...]
    strings: tuple[tuple[int, str], ...]
    imports: frozenset[str]


def files() -> list[Path]:
    """Return every existing file that git tracks or would add."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def files_in(folder: str, pattern: str = "*.py") -> list[Path]:
    """Return the files under a folder whose names match the pattern."""
    return [file for file in files() if file.is_relative_to(ROOT / folder) and file.match(pattern)]


@cache
def module(file: Path) -> Module:
    """Parse a Python file, once: all trees together would fill the memory."""
    nodes = [*ast.walk(ast.parse(file.read_bytes()))]
    return Module(
        tuple(_function(node) for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)),
        tuple((n.lineno, n.value) for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)),
        frozenset(name for node in nodes for name in _imports(node)),
    )


def functions(file: Path) -> tuple[Function, ...]:
    """Return each function of a Python file, including nested ones and methods."""
    return module(file).functions


def short(file: Path) -> str:
    """Return a file's path inside the repository."""
    return file.relative_to(ROOT).as_posix()


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    decorators = frozenset(_last_name(each) for each in node.decorator_list)
    return Function(node.name, node.lineno, node.end_lineno or 0, ast.get_docstring(node) or "", decorators)


def _last_name(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name.partition(".")[0] for name in node.names]
    return [str(node.module).partition(".")[0]] if isinstance(node, ast.ImportFrom) and not node.level else []
