"""The servers under test: real ones, in a scratch folder, which are asked for errors in their logs at the end."""

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
from tests.fuzzing.told_clock import ToldClock
from tests.fuzzing.wire import PATIENCE, Wire, basic, bearer
from tests.live import LiveServer

START = datetime(2030, 1, 1, 12, 0, 0, 750_000, UTC)  # not on a whole second: rounding shows
BAD_LEVELS = ("error", "critical")
live.PATIENCE = PATIENCE  # for a start or a stop too


class Nodes:
    """Two servers on one database and one clock that stands still: `fast` with the fast lane, `plain` without."""

    def __init__(self, scratch: Path) -> None:
        self._folder = scratch / "instance"
        self._file = scratch / "clock"
        self.clock = ToldClock(self._file)
        self.clock.tell(START)
        self.servers: list[LiveServer] = []
        self.wires: list[Wire] = []
        self.issuer = ""
        self._manage, self._manages_until = "", START

    def start(self) -> None:
        """Start both; the second finds the database made."""
        for lane in ("true", "false"):
            server = LiveServer(self._folder)
            self.issuer = self.issuer or server.url
            server.settings = {"issuer": self.issuer, "fast_lane": lane}
            server.command = [sys.executable, "-m", "tests.fuzzing.told_clock", str(self._file)]
            server.stderr_file = self._folder.with_name(f"log-{len(self.servers)}")
            self.servers.append(server)
            server.start()
            self.wires.append(Wire(server.port))

    def stop(self) -> None:
        """End both."""
        for wire in self.wires:
            wire.close()
        for server in self.servers:
            server.stop()

    def manage(self) -> str:
        """Give an Authorization header of scope manage, good for a while yet by the told clock."""
        if self.clock() > self._manages_until - timedelta(seconds=60):
            kept = self.servers[0].bootstrap
            form = [("grant_type", "client_credentials"), ("scope", "manage")]
            answer = self.wires[0].form("/oauth/token", form, basic(kept["client_id"], kept["client_secret"])).json
            self._manage = bearer(answer["access_token"])
            self._manages_until = self.clock() + timedelta(seconds=answer["expires_in"])
        return self._manage

    def next_day(self) -> datetime:
        """Go on to the next noon, a quarter second before a whole one: each example begins alike."""
        noon = self.clock().replace(hour=12, minute=0, second=0, microsecond=750_000) + timedelta(days=1)
        self.clock.tell(noon)
        return noon

    def complaints(self) -> list[str]:
        """Give what the servers logged as errors."""
        return complaints([server.stderr_file for server in self.servers])


def complaints(logs: list[Path]) -> list[str]:
    """Give the lines of level error or above, and whatever is no line of ours."""
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
    """Run the two for as long as they are needed."""
    nodes = Nodes(scratch)
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.stop()


def admin_of(server: LiveServer) -> Admin:
    """Give the operator of a server, with patience."""
    admin = Admin(server)
    admin.http.timeout = PATIENCE
    return admin


@contextlib.contextmanager
def one_server(scratch: Path) -> Iterator[LiveServer]:
    """Run a server as it is."""
    server = LiveServer(scratch / "instance")
    try:
        yield server.start()
    finally:
        server.stop()
