"""Measure the ways to verify a JWT: what a call costs the API and the server, and how soon a revocation counts."""

from __future__ import annotations

import base64
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle

import httpx

from tests.benchmark import machine
from tests.benchmark.dataset import DataSet
from tests.benchmark.measure import Json
from tests.benchmark.organisation import ORDERS
from tests.benchmark.refusals import measure_refusals
from tests.benchmark.subjects import Subject
from tests.benchmark.ways import AUTHLIB, CACHED, INTROSPECTION, LOCAL, MAX_AGE, PYJWT, STATUS_LIST, Server, Way

CLIENTS = 10  # whose tokens take turns
CALLS = 50  # between two looks at the clock
LABELS = {
    INTROSPECTION: "introspection",
    CACHED: f"introspection, an answer kept {MAX_AGE:g} s",
    LOCAL: "locally, by the keys alone",
    STATUS_LIST: "locally, with the status list",
}
COMPARED = {PYJWT: "PyJWT", AUTHLIB: "Authlib"}


@dataclass(frozen=True, slots=True)
class Turn:
    """One round of one way. Times are processor time, in µs a call."""

    calls: int
    requests: int  # to the authorization server
    cpu_us: float
    server_us: float


@dataclass(frozen=True, slots=True)
class Verified:
    """The turns of each way, round by round, and the seconds to the first refusal of each revoked token."""

    turns: Mapping[str, Sequence[Turn]]
    refusals: Sequence[Mapping[str, float]]
    settings: Json = field(default_factory=dict)
    failed: bool = False  # a wrong answer ends the run

    def cpu_us(self, name: str) -> float:
        """Return the API's processor time for a call: the median of the rounds."""
        return statistics.median(turn.cpu_us for turn in self.turns[name])

    def ratio(self, name: str, to: str) -> float:
        """Return the other's time divided by this one's: the median over the rounds, each of which has both."""
        pairs = zip(self.turns[to], self.turns[name], strict=True)
        return statistics.median(other.cpu_us / turn.cpu_us for other, turn in pairs)

    def as_json(self) -> Json:
        """Return the whole result."""
        rows = [self._row(name) for name in self.turns]
        seconds = {name: [round(one[name], 4) for one in self.refusals] for name in LABELS}
        return {"settings": self.settings, "rows": rows, "seconds_to_refusal": seconds, "failed": 0}

    def table(self) -> str:
        """Return the costs and the seconds to refusal as two Markdown tables."""
        notes = "CPU µs: of the API's process, a call. ×: the other's CPU µs over this row's, in pairs of a round."
        said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.settings.items())
        return "\n\n".join((self._costs(), self._endings(), f"{said}\n{notes}")) + "\n"

    def _row(self, name: str) -> Json:
        turns = self.turns[name]
        calls, requests = (sum(getattr(turn, what) for turn in turns) for what in ("calls", "requests"))
        row: Json = {"row": name, "verifications_per_second": round(1e6 / self.cpu_us(name)), "calls": calls}
        row |= {"cpu_us": round(self.cpu_us(name), 1), "server_us": round(self._server_us(name), 1)}
        return row | {"requests": requests, "ratios": {to: round(self.ratio(name, to), 3) for to in COMPARED}}

    def _server_us(self, name: str) -> float:
        """Return the server's processor time for a call: over all rounds, since its clock is coarse."""
        turns = self.turns[name]
        return sum(turn.server_us * turn.calls for turn in turns) / sum(turn.calls for turn in turns)

    def _costs(self) -> str:
        head = ["row", "verifications/s a core", "CPU µs", *(f"× {label}" for label in COMPARED.values())]
        lines = [head, ["---", *["---:"] * (len(head) - 1)]]
        for name in self.turns:
            figures = [f"{1e6 / self.cpu_us(name):,.0f}", f"{self.cpu_us(name):,.0f}"]
            lines.append([name, *figures, *(f"{self.ratio(name, to):.2f}" for to in COMPARED)])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def _endings(self) -> str:
        head = ["verified", "seconds to refusal", "requests, of calls", "CPU µs of the API", "CPU µs of the server"]
        lines = [head, ["---", *["---:"] * (len(head) - 1)]]
        for name, label in LABELS.items():
            row, latest = self._row(name), max(one[name] for one in self.refusals)
            seconds = f"{latest:,.0f} (its exp)" if name == LOCAL else f"{latest:.2f}"
            times = f"{self.cpu_us(name):,.0f}", f"{self._server_us(name):,.1f}"
            lines.append([label, seconds, f"{row['requests']:,} of {row['calls']:,}", *times])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verify_tokens(
    data_set: DataSet, subject: Subject, seconds: float, rounds: int, settings: Json, say: Callable[[str], None]
) -> Verified:
    """Measure every way in turn, round by round; then revoke a token for each round."""
    server = Server(subject.server.url, _read_client(data_set))
    clients = data_set.secrets("client").read_text(encoding="ascii").split("\n")[:CLIENTS]
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        tokens = [_issue(http, client) for client in clients if client]
        ways = server.open_all(tokens[0])
        turns: dict[str, list[Turn]] = {name: [] for name in ways}
        try:
            for number in range(1, rounds + 1):
                for name, way in ways.items():
                    turns[name].append(turn := _take_turn(way, tokens, seconds, subject))
                    say(f"round {number}/{rounds} {name}: {turn.cpu_us:.0f} µs CPU, the server {turn.server_us:.0f}")
        finally:
            for way in ways.values():
                way.close()
        refusals = list(_refusals(http, server, clients[0], rounds, say))
    return Verified(turns, refusals, settings)


def _take_turn(way: Way, tokens: Sequence[str], seconds: float, subject: Subject) -> Turn:
    in_turn, requests, calls = cycle(tokens), way.requests, 0
    for token in tokens:  # what is fetched now is counted, but its time is not measured
        way.verify(token)
    processes = subject.server.processes()
    there, began, cpu = machine.cpu_seconds(processes), time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        for _ in range(CALLS):
            way.verify(next(in_turn))
        calls += CALLS
    cpu = time.process_time() - cpu
    there = machine.cpu_seconds(processes) - there
    return Turn(calls + len(tokens), way.requests - requests, cpu / calls * 1e6, there / calls * 1e6)


def _refusals(
    http: httpx.Client, server: Server, client: str, rounds: int, say: Callable[[str], None]
) -> Iterator[Mapping[str, float]]:
    for number in range(1, rounds + 1):
        token = _issue(http, client)

        def revoke(token: str = token) -> None:
            form, headers = {"token": token}, {"Authorization": client}
            http.post("/oauth/revoke", data=form, headers=headers).raise_for_status()

        yield (seconds := measure_refusals(server, token, revoke))
        say(f"revocation {number}/{rounds}: " + ", ".join(f"{name} {after:.2f} s" for name, after in seconds.items()))


def _issue(http: httpx.Client, client: str) -> str:
    """Return an M2M token of the client with this Authorization header."""
    grant = {"grant_type": "client_credentials", "resource": ORDERS}
    answer = http.post("/oauth/token", data=grant, headers={"Authorization": client}).raise_for_status().json()
    return str(answer["access_token"])


def _read_client(data_set: DataSet) -> tuple[str, str]:
    """Return the id and the secret of the client that serves the API."""
    header = data_set.secrets("server").read_text(encoding="ascii").strip()
    client_id, _, secret = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
    return client_id, secret
