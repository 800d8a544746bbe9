"""A port stays with the process that was given it: a server that a test starts again finds it free."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import ports

FEW = range(31_000, 31_020)
TAKE_ALL = f"""
from tests import ports
ports.RANGE = {FEW!r}
try:
    while True:
        print(ports.free_port())
except RuntimeError:
    print("all", flush=True)
input()
"""


def test_a_port_of_another_process_is_given_only_when_that_process_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "RANGE", FEW)
    root = Path(ports.__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", TAKE_ALL], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        theirs = {int(line) for line in iter(other.stdout.readline, "all\n")}
        assert theirs
        with pytest.raises(RuntimeError):
            ports.free_port()
        other.communicate("\n")
    assert ports.free_port() in theirs


def test_a_process_is_not_given_a_port_twice() -> None:
    assert len({ports.free_port() for _ in range(200)}) == 200
