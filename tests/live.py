"""A real `latchkey serve`, started as its own process on a free port with its own instance folder."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests import fork_server
from tests.databases import Database, database_in
from tests.ports import free_port
from tests.templates import provide_tables

PATIENCE = 60.0  # seconds for a start or a stop, on a machine that does much else
COMMAND = Path(sys.executable).with_name("latchkey")
SETTING = "LATCHKEY_"
Process = subprocess.Popen[bytes] | fork_server.Forked


def environment(instance: Path, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a `latchkey` process: ours, but of Latchkey only `settings`, as in {"issuer": …}."""
    ours = {name: value for name, value in os.environ.items() if not name.upper().startswith(SETTING)}
    chosen = dict(settings or {})
    database = {} if "database_url" in chosen else database_in(instance).settings
    wanted = {"instance_dir": str(instance), "rate_limits": "off"} | database | chosen
    return ours | {SETTING + name.upper(): value for name, value in wanted.items()}


class LiveServer:
    """One server: `start` it, talk to it at `url` (or with `http`), `stop`, `kill` or `restart` it."""

    def __init__(
        self, instance: Path, settings: Mapping[str, str] | None = None, workers: int = 1, migrated: bool = True
    ) -> None:
        """Take the instance folder (made when missing), settings as in {"issuer": …}, and how many processes serve.

        A new instance gets a database that is migrated already, unless `migrated` is False.
        """
        self.instance = instance
        self.settings = dict(settings or {})
        self.workers = workers
        self.migrated = migrated
        self.command = [str(COMMAND)]
        self.arguments: list[str] = []  # further ones for `latchkey serve`
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.stdout_file = instance.with_name(f"{instance.name}.stdout")
        self.stderr_file = instance.with_name(f"{instance.name}.stderr")
        self._process: Process | None = None
        self._http: httpx.Client | None = None

    @property
    def bootstrap(self) -> dict[str, str]:
        """What the first start wrote: issuer, admin_username, admin_password, client_id, client_secret."""
        kept: dict[str, str] = json.loads((self.instance / "bootstrap.json").read_text(encoding="utf-8"))
        return kept

    @property
    def issuer(self) -> str:
        """The issuer that the server calls itself."""
        return self.bootstrap["issuer"]

    @property
    def database(self) -> Database:
        """The database of its instance folder."""
        return database_in(self.instance)

    @property
    def pid(self) -> int:
        """The process id of the server that runs (of the parent, with several workers)."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    @property
    def http(self) -> httpx.Client:
        """A kept-alive client of this server that fails the test when an answer is a 5xx."""
        if self._http is None:
            self._http = client(self.url)
        return self._http

    def start(self) -> "LiveServer":
        """Start the process and wait until it answers /healthz; what it printed is in the error when it does not."""
        self.instance.mkdir(parents=True, exist_ok=True)
        if self.migrated and "database_url" not in self.settings:
            provide_tables(self.instance)
        command = [*self.command, "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        if self.workers > 1:
            command += ["--workers", str(self.workers)]
        command += self.arguments
        self._process = self._spawn(command)
        self._wait_until_healthy()
        return self

    def _spawn(self, command: list[str]) -> Process:
        """Start a process in a session of its own, so that kill() reaches the workers too."""
        chosen = environment(self.instance, self.settings)
        if self.command == [str(COMMAND)]:
            return fork_server.start(command[1:], chosen, self.stdout_file, self.stderr_file)
        if command[:2] == [sys.executable, "-m"] and fork_server.is_shared():
            return fork_server.start(command[3:], chosen, self.stdout_file, self.stderr_file, command[2])
        with self.stdout_file.open("ab") as out, self.stderr_file.open("ab") as err:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=chosen, start_new_session=True
            )

    def stop(self) -> int | None:
        """End the server as Ctrl-C or a supervisor would (SIGTERM); return its exit code, or None."""
        process = self._forget()
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server did not stop in {PATIENCE} s\n{self.log_text()[-4000:]}") from None
        finally:
            _kill_group(process)

    def kill(self) -> None:
        """End the server and its workers at once (SIGKILL), as a power cut would."""
        if process := self._forget():
            _kill_group(process)

    def restart(self) -> "LiveServer":
        """Stop, when it runs, and start again on the same port and instance folder."""
        self.stop()
        return self.start()

    def log_text(self) -> str:
        """Return all that the server has printed, stdout and stderr, since its first start."""
        files = (self.stdout_file, self.stderr_file)
        return "".join(file.read_text(encoding="utf-8", errors="replace") for file in files if file.exists())

    def log_records(self) -> list[dict[str, Any]]:
        """Return the JSON log lines, oldest first."""
        return [json.loads(line) for line in self.log_text().splitlines() if line.startswith("{")]

    def _wait_until_healthy(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE
        with httpx.Client(timeout=2, trust_env=False, verify=False) as kept:  # a TLS context costs 50 ms of CPU
            while self._process.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(httpx.TransportError):
                    if kept.get(f"{self.url}/healthz").status_code == 200:
                        return
                time.sleep(0.05)
        self.kill()
        raise AssertionError(f"the server did not start\n{self.log_text()[-4000:]}")

    def _forget(self) -> Process | None:
        process, self._process = self._process, None
        if self._http is not None:
            self._http.close()
            self._http = None
        return process


def client(url: str, **options: Any) -> httpx.Client:
    """Return an HTTP client for `url` that raises AssertionError on a 5xx: a 500 is never an expected answer."""
    hooks = {"response": [_no_server_error]}  # unverified: a TLS context, which nothing uses, costs 35 ms of CPU
    return httpx.Client(base_url=url, timeout=15, trust_env=False, verify=False, event_hooks=hooks, **options)


def _no_server_error(response: httpx.Response) -> None:
    if response.status_code >= 500:
        response.read()
        request = response.request
        raise AssertionError(f"{request.method} {request.url} → {response.status_code} {response.text[:500]}")


def _kill_group(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)
