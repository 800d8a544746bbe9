"""Start the `latchkey` command, unless the package `app` that Python finds is somebody else's.

The distribution installs this file as the module `latchkey_command`, whose name nobody else has. `app` is common:
another package of that name that is earlier on Python's path hides every module of the server.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

OWN = '"""Latchkey: '  # how app/__init__.py begins
ADVICE = "install latchkey in an environment of its own (pipx, or a container) and start it without PYTHONPATH"


def main() -> None:
    """Run the command; end with one line if the package `app` is not this server's."""
    spec = find_spec("app")  # finds it without running it
    found = spec.origin if spec is not None else None
    if found is None or not _is_own(Path(found)):
        sys.exit(f"latchkey: the package 'app' at {found or 'no file'} is not Latchkey's: {ADVICE}")
    from app.cli import main as latchkey

    latchkey()


def _is_own(module: Path) -> bool:
    """Return whether a file is this server's app/__init__.py."""
    try:
        return module.read_text(encoding="utf-8").startswith(OWN)
    except (OSError, ValueError):
        return False
