"""End what peers hold by doing nothing: unfinished bodies, answers not taken, idle connections in a crowd."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.operations import connections, logs
from app.operations.admission import ARRIVED, GIVEN_UP, Admission
from app.operations.connections import Connection

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

INTERVAL = 1.0  # seconds between two looks at the bodies; a look at 1,500 connections costs some 15 ms
BODY_DEADLINE = 10.0  # seconds for a body …
LOWEST_RATE = 50_000  # … and a second more for so many bytes that have come
CROWD = 128  # awaited bodies, beyond which an address with more than its share is hurried
SHARE = 16  # of a crowd, for one address
HURRIED = 1.0  # seconds for a body then
SLACK = 1.5  # seconds by which the kernel's times may differ from ours, who look once a second
AGAIN = 3.0  # seconds after which a connection that was ended, or a body that still waits, is looked at again
TAKING_INTERVAL = 10  # looks between two at the answers: 10 seconds
SLOWEST_TAKING = 10_000  # bytes a second that a peer takes of an answer at the least
LONGEST_ANSWERED = 30.0  # seconds after which a request without an answer counts as idle in a crowd: a slow head
CROWDED = 0.75  # of the connections that there may be, from which on the idlest are ended
Peer = tuple[str, int]


@dataclass(slots=True)
class Awaited:
    """A body that a thread waits for: when it was first seen, and when it was given up (monotonic seconds)."""

    environ: WSGIEnvironment
    since: float
    given_up: float | None = None

    @property
    def address(self) -> str:
        """The address of the sender, or of the proxy that hands the request on."""
        return str(self.environ.get("REMOTE_ADDR", ""))

    @property
    def until(self) -> float:
        """The time by which more must be here."""
        return self.since + BODY_DEADLINE + int(self.environ.get(ARRIVED, 0)) / LOWEST_RATE


class Reaper:
    """A thread of a server process that ends what is held by doing nothing."""

    def __init__(self, admission: Admission, port: int, most_connections: int) -> None:
        """Take what waits for bodies, our port, and how many connections there may be."""
        self._admission = admission
        self._awaited: dict[int, Awaited] = {}
        self._port = port
        self._most = most_connections
        self._taken: dict[Peer, int] = {}  # bytes that slow takers had acknowledged at the last look
        self._ended: dict[Peer, float] = {}  # peers whose connection was ended, and when
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reaper", daemon=True)

    def start(self) -> None:
        """Begin, where the kernel can be asked (Linux)."""
        if connections.SUPPORTED:
            self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._end.set()

    def _run(self) -> None:
        looks = 0
        while not self._end.wait(INTERVAL):
            looks += 1
            try:
                self.look(takers=looks % TAKING_INTERVAL == 0)
            except Exception as error:  # the next look may succeed
                logs.request_log.warning("the reaper could not look", exc_info=error)

    def look(self, *, takers: bool) -> None:
        """End the bodies that are overdue, and idle connections in a crowd; `takers` looks at untaken answers too."""
        now = time.monotonic()
        late = self.overdue(now)
        crowded = connections.count_open_files() > self._most * CROWDED
        if late or crowded or takers:
            self._end_connections(late, now, crowded=crowded, takers=takers)

    def overdue(self, now: float) -> dict[str, list[Awaited]]:
        """Return what has waited too long, by address."""
        seen = self._awaited
        self._awaited = {
            thread: seen[thread] if thread in seen and seen[thread].environ is environ else Awaited(environ, now)
            for thread, environ in list(self._admission.awaited.items())
        }
        by_address: dict[str, list[Awaited]] = {}
        for one in self._awaited.values():
            by_address.setdefault(one.address, []).append(one)
        return {address: late for address, ones in by_address.items() if (late := self._late(ones, now))}

    def _late(self, ones: list[Awaited], now: float) -> list[Awaited]:
        every = len(self._awaited)
        hurried = every > self._admission.most_waiting // 2 or (every > CROWD and len(ones) > SHARE)
        return [
            one
            for one in ones
            if now >= (one.since + HURRIED if hurried else one.until)
            and (one.given_up is None or now > one.given_up + AGAIN)
        ]

    def _end_connections(self, late: dict[str, list[Awaited]], now: float, *, crowded: bool, takers: bool) -> None:
        self._ended = {peer: at for peer, at in self._ended.items() if now < at + AGAIN}
        slow: dict[Peer, int] = {}
        idle: list[tuple[float, Peer]] = []
        ended = 0
        for found in connections.connections_at(self._port):
            if found.address in late and self._is_of(found, late[found.address], now):
                found.end_reading()
                ended += 1
            if takers and found.unsent and self._takes_too_slowly(found, slow):
                found.end()
            if crowded and _is_idle(found):
                idle.append((found.idle, found.peer))
        if takers:
            self._taken = slow
        if idle:
            self._end_idlest(idle)
        if ended or idle:
            logs.request_log.warning("connections ended", unfinished_bodies=ended, idle=len(idle) // 4)

    def _is_of(self, found: Connection, late: list[Awaited], now: float) -> bool:
        """Whether a connection may be that of an overdue body: as old, and not answered yet. Give that one up."""
        if not found.is_mid_request or found.peer in self._ended:
            return False
        for number, one in enumerate(late):
            if found.since_sent + SLACK >= now - one.since:
                one.given_up = self._ended[found.peer] = now
                one.environ[GIVEN_UP] = True
                del late[number]
                return True
        return False

    def _takes_too_slowly(self, found: Connection, slow: dict[Peer, int]) -> bool:
        """Whether a peer has taken too little of its answer since the last look."""
        slow[found.peer] = found.acknowledged
        before = self._taken.get(found.peer)
        return before is not None and found.acknowledged - before < SLOWEST_TAKING * INTERVAL * TAKING_INTERVAL

    def _end_idlest(self, idle: list[tuple[float, Peer]]) -> None:
        """End a quarter of the idle connections, those that are idle for the longest time."""
        peers = {peer for _, peer in sorted(idle, reverse=True)[: len(idle) // 4]}
        for found in connections.connections_at(self._port):
            if found.peer in peers and _is_idle(found):
                found.end()


def _is_idle(found: Connection) -> bool:
    return not found.is_mid_request or found.since_sent > LONGEST_ANSWERED
