"""Drive one kind of request with wrk, and count every wrong answer."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from app.operations.logs import redact
from tests.benchmark.machine import Cores, pin

SCRIPT = Path(__file__).with_name("load.lua")
TIMEOUT = 10  # seconds that an answer may take
BEGUN = "begun\n"  # what the script writes to stderr with its first request


@dataclass(frozen=True, slots=True)
class Plan:
    """One kind of request. `{line}` stands for a line of `file`, `{count}` for something that is never the same.

    `answer` is a Lua pattern that the body must hold, or the header `answer_header` where one is named. With `once`
    each line is used once on a server, the first lines first; wrk ends early when none is left.
    """

    file: Path
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: str | None = field(default=None, repr=False)
    status: int = 200
    answer: str = ""
    answer_header: str | None = None
    unique: bool = False
    once: bool = False
    pause_ms: float = 0.0  # that a connection rests after an answer, on average


@dataclass(frozen=True, slots=True)
class Driven:
    """The result of wrk. `wrong` counts the answers that were not as expected; `busy` is the used share of its core."""

    requests: int
    seconds: float
    p50_us: int
    p99_us: int
    max_us: int
    socket_errors: int
    wrong: int
    sample: str
    busy: float
    used: int  # lines of a plan with `once`


@dataclass(frozen=True, slots=True)
class Generator:
    """The connections, threads and cores of wrk."""

    connections: int
    threads: int
    cores: Cores
    distinct: int  # lines of a plan's file that are used at the most
    used: dict[tuple[str, Path], int] = field(default_factory=dict)  # lines, of plans with `once`, by server and file

    def drive(self, plan: Plan, url: str, seconds: float) -> Driven:
        """Send requests for `seconds`, or for longer where no answer came; raise RuntimeError if wrk itself fails."""
        driven = self._drive_once(plan, url, seconds)
        while not driven.requests and not driven.socket_errors and seconds < TIMEOUT:  # on a busy machine
            seconds *= 2
            driven = self._drive_once(plan, url, seconds)
        return driven

    def _drive_once(self, plan: Plan, url: str, seconds: float) -> Driven:
        with tempfile.TemporaryDirectory(prefix="latchkey-bench-") as folder:
            file = Path(folder) / "plan.lua"
            start = self.used.get((url, plan.file), 0)
            text = _lua(plan, self.distinct, start, self.threads)
            file.write_text(text, encoding="ascii")  # secrets stay out of the command line
            driven = self._run([*self._command(seconds), url, "--", str(file)], seconds)
            self.used[url, plan.file] = start + driven.used
            return driven

    def _command(self, seconds: float) -> list[str]:
        wrk = ["wrk", f"-t{self.threads}", f"-c{self.connections}", f"-d{ceil(seconds)}s", f"--timeout={TIMEOUT}s"]
        return pin([*wrk, "-s", str(SCRIPT)], self.cores.generator)

    def _run(self, command: list[str], seconds: float) -> Driven:
        before = _spent()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as wrk:
            if seconds < ceil(seconds) and wrk.stderr and wrk.stderr.readline() == BEGUN:
                time.sleep(seconds)
                wrk.send_signal(signal.SIGINT)  # it ends and reports: its own option takes whole seconds
            said, complained = wrk.communicate()
        spent = _spent() - before
        results = [line for line in said.splitlines() if line.startswith('{"requests"')]
        if wrk.returncode or not results:
            raise RuntimeError(f"wrk failed: {redact((complained or said).strip()[-300:])}")
        seen = json.loads(results[0])
        return Driven(**seen | {"sample": redact(seen["sample"])}, busy=round(spent / seen["seconds"], 3))


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _lua(plan: Plan, distinct: int, start: int = 0, threads: int = 1) -> str:
    """Return a plan as Lua: ASCII strings are the same in JSON and Lua."""
    headers = ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in plan.headers.items())
    fields: dict[str, object] = {
        "file": str(plan.file),
        "method": plan.method,
        "path": plan.path,
        "body": plan.body,
        "status": plan.status,
        "answer": plan.answer,
        "answer_header": plan.answer_header,
        "unique": plan.unique,
        "once": plan.once,
        "start": start,
        "threads": threads,
        "pause": plan.pause_ms,
        "distinct": distinct,
        "seed": time.time_ns() // 1_000_000 % 1_000_000_000 + os.getpid() % 1000,
    }
    values = ", ".join(f"{name} = {json.dumps(value)}" for name, value in fields.items() if value is not None)
    return f"return {{ {values}, headers = {{ {headers} }} }}\n"
