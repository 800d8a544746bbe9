"""Run many commands on real streams at the cost of a fork each: a program's start costs more than most commands."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests import fork_server
from tests.fork_server import PATIENCE, Streams

# arguments, encoding, closed descriptors, {descriptor: the file that it writes to}
Run = tuple[list[str], str, list[int], dict[str, str]]
Done = tuple[int, bytes, bytes]
NOWHERE_ELSE: Mapping[str, str] = {}


def run_forked(runs: Mapping[str, Run], environment: Mapping[str, str], folder: Path) -> dict[str, Done]:
    """Run commands in a folder; return the exit code, stdout and stderr of each."""
    done = {}
    for name, (arguments, encoding, closed, files) in runs.items():
        streams = Streams(encoding=encoding, closed=closed, folder=str(folder))
        done[name] = _run(arguments, environment, streams, files)
    return done


def run_with_input(arguments: list[str], raw: bytes, environment: Mapping[str, str], encoding: str) -> Done:
    """Run a command that reads these bytes on its stdin."""
    with tempfile.NamedTemporaryFile(prefix="latchkey-stdin-") as file:
        file.write(raw)
        file.flush()
        return _run(arguments, environment, Streams(stdin=file.name, encoding=encoding))


def _run(
    arguments: list[str], environment: Mapping[str, str], streams: Streams, files: Mapping[str, str] = NOWHERE_ELSE
) -> Done:
    with tempfile.TemporaryDirectory(prefix="latchkey-run-") as kept:
        out, err = (Path(kept) / name for name in ("stdout", "stderr"))
        printed_to = (Path(files.get("1", out)), Path(files.get("2", err)))
        code = fork_server.start(arguments, environment, *printed_to, streams=streams).wait(PATIENCE)
        printed, complained = (file.read_bytes() if file.exists() else b"" for file in (out, err))
        return code, printed, complained
