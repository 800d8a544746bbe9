"""The measured programs: each starts on its cores, and is watched and stopped by its process id."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests import fork_server
from tests.benchmark import machine
from tests.benchmark.dataset import LATCHKEY
from tests.ports import free_port

PATIENCE = 60.0  # seconds for a start or a stop


@dataclass
class Server:
    """A server of one of the subjects. `{port}` in the command is the port where it listens."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    cores: Sequence[int]
    log: Path
    health: str = "/healthz"
    folder: Path | None = None  # to run in
    port: int = 0

    def start(self) -> None:
        """Start it and wait until it answers; raise RuntimeError with the end of its log if it does not."""
        self.port = self.port or free_port()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._process = self._spawn([part.replace("{port}", str(self.port)) for part in self.command])
        deadline = time.monotonic() + PATIENCE
        with httpx.Client(timeout=5, trust_env=False, verify=False) as http:  # a TLS context costs 50 ms of CPU
            while time.monotonic() < deadline and self._process.poll() is None:
                if self._answers(http):
                    return
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"{self.name} did not start: {self.log.read_text(errors='replace').strip()[-300:]}")

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes] | fork_server.Forked:
        if fork_server.is_shared() and command[0] == str(LATCHKEY):
            forked = fork_server.start(command[1:], self.environment, self.log, self.log)
            os.sched_setaffinity(forked.pid, self.cores)
            return forked
        with self.log.open("ab") as log:
            return subprocess.Popen(
                machine.pin(command, self.cores),
                env=dict(self.environment),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def url(self) -> str:
        """The URL where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def processes(self) -> list[int]:
        """Return its process id and the ids of its descendants."""
        return machine.family(self._process.pid)

    def forget_log(self) -> None:
        """Empty the log: a fast server would fill the disk."""
        os.truncate(self.log, 0)

    def stop(self) -> None:
        """End it by its process id, and kill it if it does not end."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE / 4)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(PATIENCE)

    def _answers(self, http: httpx.Client) -> bool:
        try:
            return http.get(self.url + self.health).status_code == 200
        except httpx.TransportError:
            return False
