"""Programs of scripts/, run in the process of the tests: for what is asked of their code, not of a process."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from types import ModuleType
from unittest import mock

from tests.architecture.checkout import ROOT

Done = subprocess.CompletedProcess[str]
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@cache
def load(name: str) -> ModuleType:
    """Return the program as a module."""
    spec = spec_from_loader(name, SourceFileLoader(name, str(ROOT / "scripts" / name)))
    assert spec and spec.loader
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up there
    with mock.patch.object(sys, "prefix", str(ROOT / ".venv")):  # elsewhere it would replace this process
        spec.loader.exec_module(module)
    return module


def run(name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Done:
    """Call the program's `main` with these arguments and this environment besides ours; return how it ended."""
    program = load(name)
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", [str(ROOT / "scripts" / name), *arguments]),
        mock.patch.dict(os.environ, environment or {}),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        _restored(),
    ):
        try:
            code = program.main()
        except SystemExit as end:
            code, message = (end.code, "") if isinstance(end.code, int) else (1, f"{end.code}\n")
            stderr.write(message)
    return Done([name, *arguments], int(code), stdout.getvalue(), stderr.getvalue())


@contextlib.contextmanager
def _restored() -> Iterator[None]:
    """Restore the cores and the signal handlers of this process."""
    cores, handlers = os.sched_getaffinity(0), {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        for number, handler in handlers.items():
            signal.signal(number, handler)
