"""Run many commands on real streams at the cost of a fork each: a program's start costs more than most commands.

Reads one JSON object on stdin, {name: [arguments, encoding, closed descriptors, {descriptor: file}]}, and prints
{name: [exit code, stdout, stderr]}, both texts as Latin-1.
"""

import json
import os
import sys
import tempfile
from io import TextIOWrapper
from typing import Any

from tests.fork_server import load_app

STREAMS = ("stdin", "stdout", "stderr")
Run = tuple[list[str], str, list[int], dict[str, str]]


def main() -> None:
    """Load what all commands need, then fork for each."""
    load_app()
    print(json.dumps({name: _run_forked(*run) for name, run in json.load(sys.stdin).items()}))


def _run_forked(arguments: list[str], encoding: str, closed: list[int], files: dict[str, str]) -> list[Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            _redirect(out.fileno(), err.fileno(), encoding, closed, files)
            _run(arguments)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        return [code, out.read().decode("latin-1"), err.read().decode("latin-1")]


def _redirect(out: int, err: int, encoding: str, closed: list[int], files: dict[str, str]) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for descriptor, path in files.items():
        os.dup2(os.open(path, os.O_WRONLY), int(descriptor))
    for number, name in enumerate(STREAMS):
        raw = open(number, "wb" if number else "rb", closefd=False)  # noqa: SIM115 - as long as the child
        errors = "backslashreplace" if name == "stderr" else "strict"
        setattr(sys, name, TextIOWrapper(raw, encoding, errors, line_buffering=name == "stderr"))
    for number in closed:  # as Python sets them at its start
        os.close(number)
        setattr(sys, STREAMS[number], None)


def _run(arguments: list[str]) -> None:
    import traceback

    from app.cli import main

    code: object = 1
    try:
        main(arguments)
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # the child must not continue as the parent
        traceback.print_exc()
    finally:
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main()
