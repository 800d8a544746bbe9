"""After a complete run, every test that tests/security/asvs.md names must have run."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.checkout import ROOT

TABLE = """| 1.1.1 | an answer | one/test_a.py `holds`, `is_{a}`; two/test_b.py `lacks` |"""
RUNS = "def test_holds(): pass\ndef test_is_there(): pass\n"


@pytest.mark.contract("ASVS 5.0.0: every requirement has an answer, and what it names has run")
@pytest.mark.parametrize(
    ("other", "arguments", "code", "said"),
    [
        ("def test_else(): pass", ["-n", "1", "--dist", "loadfile"], 1, "did not run: tests/two/test_b.py::test_lacks"),
        (
            "import pytest\ndef test_lacks(): pytest.skip('no tool')",
            [],
            0,
            "lacks a tool: tests/two/test_b.py::test_lacks",
        ),
        ("def test_else(): pass", ["--ignore=tests/two"], 0, ""),
        ("def test_else(): pass", ["-k", "else"], 0, ""),
    ],
    ids=["one did not", "skipped", "ignored", "some by name"],
)
def test_a_whole_run_without_a_named_test_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str, arguments: list[str], code: int, said: str
) -> None:
    made = {"one/test_a.py": RUNS, "two/test_b.py": other, "security/asvs.md": TABLE.format(a="there")}
    for name, text in made.items():
        (tmp_path / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / name).write_text(text, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\naddopts = --import-mode=importlib\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # it starts in a third of the time
    command = [sys.executable, "-m", "pytest", "-p", "xdist.plugin", "-p", "tests.asvs", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    assert (said in done.stdout) if said else ("ASVS" not in done.stdout)
