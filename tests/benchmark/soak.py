"""A long run at a share of the highest rate: compare latency, memory and errors with the first minute."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from tests.benchmark.load import Plan
from tests.benchmark.measure import Json, Measuring, Round
from tests.benchmark.subjects import Subject
from tests.benchmark.targets import Target

CALIBRATIONS = 8  # tries to find the pause that gives the wanted rate
NEAR = 0.02  # of the wanted rate
AT_70 = 3.0  # ms of p99: the target at 70 % of the highest rate
SLOWER = 2.0  # times the first minute's p99 that any other may have
LARGER = 1.05  # times the first minute's memory that the last may have


@dataclass(frozen=True, slots=True)
class Soaked:
    """The result of a soak: the highest rate, the wanted rate, and a round for each minute."""

    row: str
    highest: float
    wanted: float
    minutes: Sequence[Round]
    settings: Json

    def complaints(self) -> list[str]:
        """Return what was wrong, minute by minute."""
        first, last = self.minutes[0], self.minutes[-1]
        found = [f"minute {n}: {one.why}" for n, one in enumerate(self.minutes, 1) if one.errors]
        found += [
            f"minute {n}: p99 {one.p99_ms:.2f} ms is over {SLOWER:g} times the first minute's"
            for n, one in enumerate(self.minutes, 1)
            if one.p99_ms > SLOWER * first.p99_ms
        ]
        if last.resident_mb > LARGER * first.resident_mb:
            found.append(f"memory grew from {first.resident_mb:.0f} to {last.resident_mb:.0f} MB")
        return found

    @property
    def failed(self) -> bool:
        """Return whether there is a complaint."""
        return bool(self.complaints())

    def as_json(self) -> Json:
        """Return the whole result."""
        labels: Json = {"row": self.row, "highest": round(self.highest), "wanted": round(self.wanted)}
        minutes = [asdict(one) for one in self.minutes]
        return labels | {"settings": self.settings, "minutes": minutes, "complaints": self.complaints()}

    def table(self) -> str:
        """Return a Markdown table with a line a minute, and the complaints below it."""
        lines = ["| minute | requests/s | p50 ms | p99 ms | max ms | CPU µs | MB | written/s | errors |"]
        lines.append(f"| ---: {'| ---: ' * 8}|")
        lines += [_line(number, one) for number, one in enumerate(self.minutes, 1)]
        ending = self.complaints() or ["flat: no error, no slower minute, no growth of memory"]
        said = f"{self.row}, {self.wanted:,.0f} a second wanted of {self.highest:,.0f} at the most"
        return "\n".join([*lines, "", said, self._promise(), *ending]) + "\n"

    def _promise(self) -> str:
        """Compare the p99 of the median minute with its target."""
        seen = statistics.median(one.p99_ms for one in self.minutes)
        verdict = Target(self.row, 0, "p99 ms", AT_70, seen, at_most=True).verdict
        return f"p99 {seen:.2f} ms in the median minute; {AT_70:g} ms are promised at 70 % of the highest: {verdict}"


def soak(measuring: Measuring, subject: Subject, row: str, load: float, minutes: int, settings: Json) -> Soaked:
    """Drive one row at the share `load` of its highest rate for so many minutes of `measuring.seconds` each."""
    plan = subject.plans()[row]
    short = replace(measuring, seconds=min(5, measuring.seconds), writes=0)
    highest = short.once(subject, plan).requests_per_second
    paced = _pace(short, subject, plan, load * highest)
    seen = []
    for number in range(1, minutes + 1):
        seen.append(one := measuring.once(subject, paced))
        measuring.say(_line(number, one))
    return Soaked(row, highest, load * highest, seen, settings)


def _pace(measuring: Measuring, subject: Subject, plan: Plan, wanted: float) -> Plan:
    """Find the pause after an answer that leads to the rate: the generator takes a pause, not a rate."""
    connections = measuring.generator.connections
    cycle, pause = 1000 * connections / wanted, 0.0  # ms from one request of a connection to its next
    for _ in range(CALIBRATIONS):
        rate = measuring.once(subject, replace(plan, pause_ms=pause)).requests_per_second
        if abs(rate - wanted) <= NEAR * wanted:
            break
        pause = max(0.0, pause + cycle - 1000 * connections / max(rate, 1.0))
    return replace(plan, pause_ms=pause)


def _line(number: int, one: Round) -> str:
    figures = [f"{one.requests_per_second:,.0f}", f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}", f"{one.max_ms:.1f}"]
    figures += [f"{one.cpu_us:.0f}", f"{one.resident_mb:.0f}", f"{one.written_per_second:.1f}", str(one.errors)]
    return f"| {number} | {' | '.join(figures)} |"
