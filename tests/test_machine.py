"""What a machine lacks is skipped with its reason, and fails where CI promised it."""

import re
from pathlib import Path

import pytest

from tests import machine

TESTS = Path(__file__).parent
REQUIRED = re.compile(r"require_program\(\s*\"([^\"]+)\"")
ESSENTIAL = {"mount", "setpriv"}  # of each Debian

ABSENT = "latchkey-no-such-program"


def test_a_program_that_is_here_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert machine.require_program(ABSENT, "sh").endswith("/sh")


@pytest.mark.contract("what a machine lacks is skipped, in CI a failure")
def test_a_missing_program_skips_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="this machine has no " + ABSENT):
        machine.require_program(ABSENT)


@pytest.mark.contract("what a machine lacks is skipped, in CI a failure")
def test_a_missing_program_fails_where_ci_promises_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="promises"):
        machine.require_program(ABSENT)


def test_ci_installs_each_program_that_a_test_requires() -> None:
    required = {name for file in TESTS.rglob("*.py") for name in REQUIRED.findall(file.read_text(encoding="utf-8"))}
    script = (TESTS.parent / ".ci" / "run").read_text(encoding="utf-8")
    assert len(required) > 10
    assert not [name for name in required - ESSENTIAL if f"command -v {name} " not in script]
