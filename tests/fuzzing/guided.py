"""The part `parsers`: coverage-guided fuzzing with Atheris, one process for each target."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from tests.fuzzing.notebook import Notebook, Outcome, Task

MODULES = {  # the targets of each module
    "tests.fuzzing.two_readings": "form form_headers query bearer basic peer",
    "tests.fuzzing.opaque": "opaque",
    "tests.fuzzing.targets": "sightings scopes jwt assertion networks durations moments cursor request_id "
    "schemas json_body jwks settings settings_file machine_choice exchange_choice",
    "tests.fuzzing.proofs": "dpop certificate subject",
}
TARGETS = tuple(name for names in MODULES.values() for name in names.split())
PLANTED, PLANTED_IN = "planted", "tests.fuzzing.planted"
LONGEST_INPUT = 600  # bytes
EXECUTED = re.compile(r"stat::number_of_executed_units: *(\d+)")
GRACE = 60  # seconds after the end of its time; then a target counts as hanging
ABSENT = "Atheris has no wheel for this machine (Linux on x86-64, Python 3.11 to 3.13)"


def fuzz(task: Task) -> Outcome:
    """Run one target for the task's time; `task.part` is parsers/TARGET."""
    book = Notebook(task)
    book.outcome.unit = "executions"
    if find_spec("atheris") is None:
        book.outcome.absent = ABSENT
        return book.outcome
    target, log = task.part.partition("/")[2], task.scratch / "atheris.log"
    (task.scratch / "corpus").mkdir(exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen([*command(task, target)], stdout=output, stderr=output)
    try:
        status = process.wait(task.seconds + GRACE)
    except subprocess.TimeoutExpired:
        status = -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
    text = log.read_text(encoding="utf-8", errors="replace")
    executed = EXECUTED.search(text)
    book.count_tries(int(executed[1]) if executed else 0)
    if status != 0:
        book.add_finding(title(text, status), f"{_input(task.scratch)}\n\n{text[-6_000:]}", task.seed)
    return book.outcome


def command(task: Task, target: str) -> list[str]:
    """Return the command line of a target's process."""
    return [
        *(sys.executable, "-m", "tests.fuzzing.guided", target, str(task.scratch / "corpus")),
        f"-max_total_time={max(1, round(task.seconds))}",
        f"-seed={task.seed % 2**31 or 1}",
        f"-max_len={LONGEST_INPUT}",
        f"-artifact_prefix={task.scratch}/",
        "-print_final_stats=1",
        "-timeout=60",
        "-rss_limit_mb=2048",
    ]


def title(log: str, status: int) -> str:
    """Return the line of the exception that ended the target, else its exit status."""
    lines = [line for line in log.splitlines() if re.match(r"[A-Za-z_.]+(Error|Exception|Exit|Interrupt)?: ", line)]
    raised = [line for line in lines if not line.startswith(("INFO", "WARNING", "Done"))]
    return raised[0][:80] if raised else f"ended with {status}"


def _input(scratch: Path) -> str:
    """Return the input that made the target fail, as a Python literal."""
    found = sorted(file for pattern in ("crash-*", "timeout-*", "oom-*") for file in scratch.glob(pattern))
    return f"input: {found[0].read_bytes()!r}" if found else "no input was kept"


def main() -> None:
    """Fuzz the target that the first argument names; libFuzzer reads the other arguments and ends the process."""
    import atheris

    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=["app"]):
        targets = import_module(next((where for where, names in MODULES.items() if name in names.split()), PLANTED_IN))
    atheris.Setup(sys.argv, getattr(targets, name))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
