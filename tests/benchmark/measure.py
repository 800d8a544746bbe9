"""Measure rows round by round: each round has every row of every subject, so a slow minute affects all of them."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tests.benchmark import machine
from tests.benchmark.databases import Database
from tests.benchmark.load import Driven, Generator, Plan
from tests.benchmark.rows import EARLIER
from tests.benchmark.subjects import Subject
from tests.benchmark.writer import Writer

Json = dict[str, object]
ALONE = " alone"  # marks a row that is measured without the writer
MEDIANS = ("requests_per_second", "p50_ms", "p99_ms", "cpu_us", "database_cpu_us", "resident_mb", "generator_busy")


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement. `cpu_us` is the server's processor time a request, `database_cpu_us` the database's."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_us: float
    database_cpu_us: float
    resident_mb: float
    generator_busy: float
    written_per_second: float
    requests: int
    errors: int
    why: str


@dataclass
class Measured:
    """A row with its rounds, and their medians."""

    subject: str
    row: str
    size: int
    rounds: list[Round] = field(default_factory=list)

    def median(self, name: str) -> float:
        """Return the median of a figure over the rounds, or 0 without a round."""
        return float(statistics.median([getattr(one, name) for one in self.rounds] or [0.0]))

    @property
    def errors(self) -> int:
        """Return the number of errors in all rounds."""
        return sum(one.errors for one in self.rounds)

    @property
    def why(self) -> str:
        """Return the first reason for an error, in one line."""
        return next((one.why for one in self.rounds if one.why), "")

    def as_json(self) -> Json:
        """Return the medians and the rounds."""
        medians: Json = {name: round(self.median(name), 3) for name in MEDIANS}
        labels: Json = {name: getattr(self, name) for name in ("subject", "row", "size", "errors", "why")}
        return labels | medians | {"rounds": [asdict(one) for one in self.rounds]}


class Gauge:
    """The resources that a server and the database have used since the gauge was made."""

    def __init__(self, subject: Subject, database: Database) -> None:
        self._server, self._database = subject.server, database
        self._processes = subject.server.processes()
        self._server_before = machine.cpu_seconds(self._processes)
        self._database_before = machine.cpu_seconds(database.processes())

    def server_spent(self) -> float:
        """Return the processor seconds of all processes of the server."""
        return machine.cpu_seconds(self._server.processes()) - self._server_before

    def database_spent(self) -> float:
        """Return the processor seconds of the database, or 0 if its processes are not visible."""
        return machine.cpu_seconds(self._database.processes()) - self._database_before

    def resident_mb(self) -> float:
        """Return the memory of the largest worker, or of the server if it has no workers."""
        return machine.resident_mb(self._server.processes()[1:] or self._server.processes())

    def replaced(self) -> bool:
        """Return whether a process of the server died or was started since."""
        return set(self._server.processes()) != set(self._processes)


@dataclass(frozen=True, slots=True)
class Measuring:
    """How a row is measured: for how many seconds, beside a writer of `writes` credentials a second (0: no writer)."""

    generator: Generator
    database: Database
    seconds: float
    warm_up: int
    writes: int
    say: Callable[[str], None]

    def rounds(self, subjects: Sequence[Subject], wanted: Sequence[str], count: int) -> list[Measured]:
        """Measure every wanted row of Latchkey, and every row of a peer, `count` times.

        With a writer, a row of Latchkey is first measured without it and then with it.
        """
        asked = [
            (subject, plan, Measured(subject.name, row + mark, subject.size), beside)
            for subject in subjects
            for row, plan in subject.plans().items()
            if subject.name not in ("latchkey", EARLIER) or row in wanted
            for mark, beside in self._variants(subject)
        ]
        for number in range(1, count + 1):
            for subject, plan, measured, beside in asked:
                if self.warm_up:  # each time: the row before may have evicted it from a cache
                    self.generator.drive(plan, subject.server.url, self.warm_up)
                measured.rounds.append(one := beside.once(subject, plan))
                self.say(f"round {number}/{count} {subject.server.name} {measured.row}: {_format_round(one)}")
        return [measured for _, _, measured, _ in asked]

    def _variants(self, subject: Subject) -> list[tuple[str, Measuring]]:
        if not self.writes or subject.name != "latchkey":
            return [("", self)]
        return [(ALONE, replace(self, writes=0)), ("", self)]

    def once(self, subject: Subject, plan: Plan) -> Round:
        """Drive one plan once, for `seconds`."""
        subject.server.forget_log()
        writer, gauge = self._writer(subject), Gauge(subject, self.database)
        try:
            with writer.writing() if writer else contextlib.nullcontext():
                driven = self.generator.drive(plan, subject.server.url, self.seconds)
        except RuntimeError as error:
            return _failed_round(str(error))
        refused, requests = writer.refused if writer else 0, max(driven.requests, 1)
        return Round(
            requests_per_second=driven.requests / driven.seconds,
            p50_ms=driven.p50_us / 1000,
            p99_ms=driven.p99_us / 1000,
            max_ms=driven.max_us / 1000,
            cpu_us=gauge.server_spent() * 1e6 / requests,
            database_cpu_us=gauge.database_spent() * 1e6 / requests,
            resident_mb=gauge.resident_mb(),
            generator_busy=driven.busy,
            written_per_second=writer.issued / driven.seconds if writer else 0.0,
            requests=driven.requests,
            errors=driven.wrong + driven.socket_errors + refused + gauge.replaced() + (not driven.requests),
            why=_why(driven, refused, gauge.replaced()),
        )

    def _writer(self, subject: Subject) -> Writer | None:
        if not self.writes or subject.name != "latchkey":
            return None
        creation = subject.plans()["pat-creation"]
        token = creation.headers["Authorization"].partition(" ")[2]
        return Writer(subject.server.url, token, _lines(creation.file), self.writes)


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="ascii").split()


def _why(driven: Driven, refused: int, replaced: bool) -> str:
    if replaced:
        return "a server process was replaced"
    if driven.wrong:
        return f"{driven.wrong} of {driven.requests} answers were wrong, as in: {driven.sample}"
    if driven.socket_errors:
        return f"{driven.socket_errors} socket errors or timeouts"
    if refused:
        return f"{refused} of the writer's requests were refused"
    return "" if driven.requests else "no answer came"


def _failed_round(why: str) -> Round:
    return Round(0, 0, 0, 0, 0, 0, 0, 0, 0, requests=0, errors=1, why=why)


def _format_round(one: Round) -> str:
    figures = f"{one.requests_per_second:,.0f}/s, {one.cpu_us:.0f} µs CPU, p99 {one.p99_ms:.1f} ms"
    return f"{figures} FAILED: {one.why}" if one.errors else figures
