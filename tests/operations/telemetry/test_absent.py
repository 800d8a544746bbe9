"""Without a collector's address nothing of OpenTelemetry is loaded; without the extra the start says so."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import create_app
from app.operations import telemetry
from tests.live import environment
from tests.operations.application import settings_in

SERVES = """
import sys, json, os
from app import create_app
from app.operations import telemetry
import app.cli.worker
assert telemetry.connect() is None
create_app()
print(json.dumps([name for name in sys.modules if name.split(".")[0] in ("opentelemetry", "google", "requests")]))
"""
HIDES = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
from app.operations import telemetry
telemetry.report_missing("info")
assert telemetry.connect() is None
"""


def run(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    env = ours | environment(folder) | variables
    return subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=120, check=True
    )


@pytest.mark.parametrize(
    "variables", [{}, {telemetry.ENDPOINT: ""}, {telemetry.ENDPOINT: "http://x", telemetry.DISABLED: "true"}]
)
def test_nothing_of_it_is_loaded_where_no_collector_is_named(tmp_path: Path, variables: dict[str, str]) -> None:
    assert json.loads(run(SERVES, tmp_path, **variables).stdout) == []


def test_a_start_without_the_extra_says_in_one_line_what_to_install(tmp_path: Path) -> None:
    printed = run(HIDES, tmp_path, **{telemetry.ENDPOINT: "http://127.0.0.1:4318"}).stderr.splitlines()
    assert [json.loads(line)["event"] for line in printed] == [telemetry.MISSING]
    assert run(HIDES, tmp_path).stderr == ""


def test_no_request_is_traced_where_nothing_takes_the_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert create_app(settings_in(tmp_path, monkeypatch)).request_log.trace is None
