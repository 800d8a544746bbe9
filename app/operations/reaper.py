"""End what idle peers occupy: incomplete bodies, unread answers, and idle connections when there are many."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.operations import connections, logs
from app.operations.admission import ARRIVED, GIVEN_UP, Admission
from app.operations.connections import Connection

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

INTERVAL = 1.0  # seconds between two checks of the bodies; a check of 1,500 connections takes about 15 ms
BODY_DEADLINE = 10.0  # seconds for a body …
LOWEST_RATE = 50_000  # … and a second more for so many bytes that have arrived
CROWD = 128  # awaited bodies, beyond which an address with more than its share has less time
SHARE = 16  # of a crowd, for one address
HURRIED = 1.0  # seconds for a body in that case
SLACK = 2.5  # seconds by which the ages of a body and of its connection may differ: we check once a second
AGAIN = 3.0  # seconds after which a connection that was ended, or a body that is still awaited, is checked again
TAKING_INTERVAL = 10  # checks of the bodies for each check of the answers: 10 seconds
SAME_ANSWER = 0.5  # seconds by which two checks may differ about when an answer was sent
SLOWEST_TAKING = 10_000  # bytes a second that a peer must read of its answer
LONGEST_UNANSWERED = 30.0  # seconds after which an unanswered request may be ended if there are too many connections
CROWDED = 0.75  # share of the possible connections beyond which the idlest are ended
Peer = tuple[str, int]


@dataclass(slots=True)
class Awaited:
    """A body that a thread waits for, with when it was first seen and when it was given up (monotonic seconds)."""

    environ: WSGIEnvironment
    since: float
    given_up: float | None = None

    @property
    def address(self) -> str:
        """The address of the sender, or of the proxy that forwards the request."""
        return str(self.environ.get("REMOTE_ADDR", ""))

    @property
    def until(self) -> float:
        """The time by which more must have arrived."""
        return self.since + BODY_DEADLINE + int(self.environ.get(ARRIVED, 0)) / LOWEST_RATE


@dataclass(slots=True)
class Unanswered:
    """An unanswered request, inferred from the kernel's times; `since`: when it was first seen (monotonic seconds)."""

    peer: Peer
    certain: bool  # whether there certainly is one
    silent: float  # seconds since its peer sent anything
    answered: float  # when the connection's last answer was sent
    since: float


class Reaper:
    """A thread of a server process that ends what idle peers occupy."""

    def __init__(self, admission: Admission, port: int, most_connections: int) -> None:
        """Store what is checked: the awaited bodies, and the connections to our port, with how many there may be."""
        self._admission = admission
        self._awaited: dict[int, Awaited] = {}
        self._port = port
        self._most = most_connections
        self._taken: dict[Peer, int] = {}  # bytes that slow readers had acknowledged at the last check
        self._ended: dict[Peer, float] = {}  # when a connection was ended, by its peer
        self._requests: dict[Peer, Unanswered] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reaper", daemon=True)

    def start(self) -> None:
        """Start the thread, where the kernel has the information (Linux)."""
        if connections.SUPPORTED:
            self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._end.set()

    def _run(self) -> None:
        checks = 0
        while not self._end.wait(INTERVAL):
            checks += 1
            try:
                self.check(answers=checks % TAKING_INTERVAL == 0)
            except Exception as error:  # the next check may succeed
                logs.request_log.warning("the reaper could not check the connections", exc_info=error)

    def check(self, *, answers: bool) -> None:
        """End overdue bodies, and idle connections when there are many; `answers` checks unread answers too."""
        now = time.monotonic()
        late = self.overdue(now)
        self._note_requests(now)
        if late:
            self._end_bodies(late, now)
        if answers:
            self._end_slow_readers()
        if connections.count_open_files() > self._most * CROWDED:
            self._end_idlest()

    def overdue(self, now: float) -> dict[str, list[Awaited]]:
        """Return the bodies that are overdue, by address."""
        seen = self._awaited
        self._awaited = {
            thread: seen[thread] if thread in seen and seen[thread].environ is environ else Awaited(environ, now)
            for thread, environ in list(self._admission.awaited.items())
        }
        by_address: dict[str, list[Awaited]] = {}
        for body in self._awaited.values():
            by_address.setdefault(body.address, []).append(body)
        return {address: late for address, bodies in by_address.items() if (late := self._late_bodies(bodies, now))}

    def _late_bodies(self, bodies: list[Awaited], now: float) -> list[Awaited]:
        total = len(self._awaited)
        hurried = total > self._admission.most_waiting // 2 or (total > CROWD and len(bodies) > SHARE)
        return [
            body
            for body in bodies
            if now >= (body.since + HURRIED if hurried else body.until)
            and (body.given_up is None or now > body.given_up + AGAIN)
        ]

    def _note_requests(self, now: float) -> None:
        """Note when each unanswered request was first seen, while a body is awaited for more than one check."""
        if all(body.since == now for body in self._awaited.values()):
            self._requests.clear()
            return
        seen, self._requests = self._requests, {}
        for found in self._connections():
            if found.is_mid_request:
                certain, answered = found.is_surely_mid_request, now - found.since_sent
                request = Unanswered(found.peer, certain, found.since_received, answered, now)
                before = seen.get(found.peer)
                if before is not None and abs(before.answered - answered) < SAME_ANSWER:
                    request.since = before.since
                self._requests[found.peer] = request

    def _end_bodies(self, late: dict[str, list[Awaited]], now: float) -> None:
        """End the connections whose request may have an overdue body, the likeliest first."""
        self._ended = {peer: at for peer, at in self._ended.items() if now < at + AGAIN}
        idle = [(one.peer, one.since_received) for one in self._connections() if not one.is_mid_request]
        chosen: dict[Peer, float] = {}
        for address, bodies in late.items():
            requests = [
                one for one in self._requests.values() if one.peer[0] == address and one.peer not in self._ended
            ]
            requests.sort(key=lambda one: (one.certain, one.silent), reverse=True)
            for body in bodies:
                request = next((one for one in requests if one.since - SLACK <= body.since), None)
                if request is not None:
                    requests.remove(request)
                    found = {request.peer: request.silent}
                else:
                    found = {peer: silent for peer, silent in idle if peer[0] == address and _as_old(body, silent, now)}
                chosen |= found
                self._ended |= dict.fromkeys(found, now)
                body.given_up = now
                body.environ[GIVEN_UP] = True
        for connection in self._connections():
            if connection.peer in chosen and connection.since_received >= chosen[connection.peer]:
                connection.end_reading()
        if chosen:
            logs.request_log.warning("unfinished bodies ended", connections=len(chosen))

    def _end_slow_readers(self) -> None:
        """End the connections whose peer has read too little of its answer since the last check."""
        seen, self._taken = self._taken, {}
        for found in self._connections():
            if found.unsent:
                self._taken[found.peer] = found.acknowledged
                before = seen.get(found.peer)
                if before is not None and found.acknowledged - before < SLOWEST_TAKING * INTERVAL * TAKING_INTERVAL:
                    found.end()

    def _end_idlest(self) -> None:
        """End the quarter of the idle connections that have been idle for the longest time."""
        idle = sorted(((one.idle, one.peer) for one in self._connections() if _is_idle(one)), reverse=True)
        peers = {peer for _, peer in idle[: len(idle) // 4]}
        for found in self._connections():
            if found.peer in peers and _is_idle(found):
                found.end()
        logs.request_log.warning("idle connections ended", connections=len(peers))

    def _connections(self) -> Iterator[Connection]:
        return connections.connections_at(self._port)


def _as_old(body: Awaited, silent: float, now: float) -> bool:
    """Return whether a connection that looks idle may be that of a body, sent right after the request before it."""
    return abs(now - silent - body.since) <= SLACK


def _is_idle(found: Connection) -> bool:
    return not found.is_mid_request or found.since_sent > LONGEST_UNANSWERED
