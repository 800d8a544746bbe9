"""scripts/fuzz ends without open findings, finds planted defects, and leaves no process behind."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import fork_server
from tests.architecture.checkout import ROOT
from tests.contract.waiting import until
from tests.fuzzing.part import PARTS
from tests.machine import lacking
from tests.scripts import in_process
from tests.scripts.test_demo import still_running

FUZZ = [sys.executable, str(ROOT / "scripts" / "fuzz"), "--seed", "11"]
PATIENCE = 300  # seconds
LOGS = "fuzz-*/model/log-*"  # of the servers of the model; to look at every process takes longer
RUNS = {  # side by side: most of it is waiting for servers to start; what is planted is found before the time is over
    "whole": ("--minutes", "0.08", "--targets", "opaque"),
    "planted model": ("--minutes", "2", "--only", "model", "--planted"),
    "planted parser": ("--minutes", "0.05", "--only", "parsers", "--planted"),
}
Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of findings of each run."""
    return {name: tmp_path_factory.mktemp("fuzz") / "found" for name in RUNS}


@pytest.fixture(scope="module")
def runs(folders: dict[str, Path]) -> dict[str, Done]:
    """The program as it is, and with a defect planted in the model and in a parser."""

    def run(name: str) -> Done:
        command = [*FUZZ, "--keep", str(folders[name]), *RUNS[name]]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)

    environment = os.environ | fork_server.shared()
    with ThreadPoolExecutor() as pool:
        return dict(zip(RUNS, pool.map(run, RUNS), strict=True))


def read_findings(folder: Path) -> str:
    """Return the kept findings as one text."""
    return "\n".join(file.read_text(encoding="utf-8") for file in folder.iterdir())


@pytest.mark.asvs("2.2.1", "8.2.2")
@pytest.mark.contract(
    "fuzzing finds nothing open: a model of every right, schemathesis, strange forms, parsers under Atheris"
)
def test_a_fuzz_run_ends_without_open_findings(runs: dict[str, Done], folders: dict[str, Path]) -> None:
    done = runs["whole"]
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("nothing open")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line[0] == "|"]
    tried = {row[0]: int(row[1]) for row in rows[2:]}
    assert set(tried) == {"model", "described", "forms", "parsers/opaque"}
    assert all(tried[part] > 0 for part in ("model", "described", "forms")), tried
    assert not folders["whole"].exists()


@pytest.mark.contract(
    "fuzzing finds what is planted: a false belief of the model with its steps, a parser that breaks with its input"
)
def test_a_false_belief_of_the_model_is_found_with_the_steps_that_lead_there(
    runs: dict[str, Done], folders: dict[str, Path]
) -> None:
    done, text = runs["planted model"], read_findings(folders["planted model"])
    assert done.returncode == 1, done.stdout + done.stderr
    assert "found: " in done.stdout and "nothing open" not in done.stdout
    assert "--only model --seed 11" in text
    assert "expected {" in text and "answered {" in text and "state.begin()" in text


@pytest.mark.contract(
    "fuzzing finds what is planted: a false belief of the model with its steps, a parser that breaks with its input"
)
def test_a_parser_that_breaks_is_found_with_its_input(runs: dict[str, Done], folders: dict[str, Path]) -> None:
    if find_spec("atheris") is None:
        lacking("Atheris")
    done, text = runs["planted parser"], read_findings(folders["planted parser"])
    assert done.returncode == 1, done.stdout + done.stderr
    assert "AssertionError" in text and "input: b" in text


@pytest.mark.contract("a fuzzer that is ended early leaves no process behind")
def test_ended_early_it_leaves_no_process_behind(tmp_path: Path) -> None:
    folder = {"TMPDIR": str(tmp_path)}
    command = [*FUZZ, "--keep", str(tmp_path / "found"), "--minutes", "5", "--only", "model"]
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(command, env=os.environ | folder, stdout=said, stderr=said)
    try:
        deadline = time.monotonic() + PATIENCE
        while not (any(tmp_path.glob(LOGS)) and any("file_clock" in one for one in still_running(str(tmp_path)))):
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "said").read_text()
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    finally:
        process.kill()
        process.wait()
    until(lambda: not still_running(str(tmp_path)))


@pytest.mark.parametrize("wrong", [("--minutes", "0"), ("--targets", "no-such")])
def test_an_invalid_option_is_refused(wrong: tuple[str, str]) -> None:
    done = in_process.run("fuzz", *wrong)
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_the_command_that_a_finding_names_exists() -> None:
    text = in_process.run("fuzz", "--help").stdout
    assert set(PARTS) <= set(text.partition("--only {")[2].partition("}")[0].split(","))
