"""The servers under test: real processes in a scratch folder, whose logs are searched for errors at the end."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests import live
from tests.api import Admin
from tests.fuzzing.file_clock import FileClock
from tests.fuzzing.wire import PATIENCE, Wire, basic, bearer
from tests.live import LiveServer

START = datetime(2030, 1, 1, 12, 0, 0, 750_000, UTC)  # not a whole second, so that wrong rounding is seen
BAD_LEVELS = ("error", "critical")
live.PATIENCE = PATIENCE  # for starts and stops too


class Nodes:
    """Two servers on one database and one clock that only the tests set; the first has the fast lane."""

    def __init__(self, scratch: Path) -> None:
        self._folder = scratch / "instance"
        self._file = scratch / "clock"
        self.clock = FileClock(self._file)
        self.clock.set(START)
        self.servers: list[LiveServer] = []
        self.wires: list[Wire] = []
        self.issuer = ""
        self._manage, self._manages_until = "", START

    def start(self) -> None:
        """Start both servers; the first creates the database."""
        for lane in ("true", "false"):
            server = LiveServer(self._folder)
            self.issuer = self.issuer or server.url
            server.settings = {"issuer": self.issuer, "fast_lane": lane}
            server.command = [sys.executable, "-m", "tests.fuzzing.file_clock", str(self._file)]
            server.stderr_file = self._folder.with_name(f"log-{len(self.servers)}")
            self.servers.append(server)
            server.start()
            self.wires.append(Wire(server.port))

    def stop(self) -> None:
        """Stop both servers."""
        for wire in self.wires:
            wire.close()
        for server in self.servers:
            server.stop()

    def manage(self) -> str:
        """Return an Authorization header with the scope manage, valid for at least another minute."""
        if self.clock() > self._manages_until - timedelta(seconds=60):
            kept = self.servers[0].bootstrap
            form = [("grant_type", "client_credentials"), ("scope", "manage")]
            answer = self.wires[0].form("/oauth/token", form, basic(kept["client_id"], kept["client_secret"])).json
            self._manage = bearer(answer["access_token"])
            self._manages_until = self.clock() + timedelta(seconds=answer["expires_in"])
        return self._manage

    def next_day(self) -> datetime:
        """Advance the clock to the next day, 12:00:00.75, so that each example begins at the same time of day."""
        noon = self.clock().replace(hour=12, minute=0, second=0, microsecond=750_000) + timedelta(days=1)
        self.clock.set(noon)
        return noon

    def complaints(self) -> list[str]:
        """Return the log lines of the servers that report errors."""
        return complaints([server.stderr_file for server in self.servers])


def complaints(logs: list[Path]) -> list[str]:
    """Return the log lines of level error or above, and the lines that are not JSON."""
    found = []
    for log in logs:
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            record = _record(line)
            if record is None or record.get("level") in BAD_LEVELS or "exception" in record:
                found.append(line[:2_000])
    return found


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


@contextlib.contextmanager
def two_nodes(scratch: Path) -> Iterator[Nodes]:
    """Run both servers while the block runs."""
    nodes = Nodes(scratch)
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.stop()


def admin_of(server: LiveServer) -> Admin:
    """Return an operator of the server, with a long timeout."""
    admin = Admin(server)
    admin.http.timeout = PATIENCE
    return admin


@contextlib.contextmanager
def one_server(scratch: Path) -> Iterator[LiveServer]:
    """Run one server with the default settings while the block runs."""
    server = LiveServer(scratch / "instance")
    try:
        yield server.start()
    finally:
        server.stop()
