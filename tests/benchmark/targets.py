"""The target of each row, and whether this run meets it; a missed target has the size of the miss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmark.measure import ALONE, Measured
from tests.benchmark.profile import Profile
from tests.benchmark.rows import AUTHLIB, BARE, NODE

KEYCLOAK = 120  # client-credentials grants a second and core, by its sizing guide
SLOWEST, LARGEST = 9.0, 130.0  # ms of p99, MB of a process
WITH_WRITER = 0.8  # of the rate without it
GROWN = 1.1  # times the processor time at the smallest size
TIMES: dict[str, dict[str, float]] = {  # row: how many times the rate of the other subject, on SQLite
    "introspect-pat": {BARE: 2.5, NODE: 4.0, AUTHLIB: 15.0},
    "introspect-api-key": {BARE: 2.5, NODE: 4.0, AUTHLIB: 15.0},
    "introspect-m2m": {BARE: 2.2},
    "client-credentials": {BARE: 1.2, NODE: 2.5},
    "forward-auth": {BARE: 2.5},
}
ON_POSTGRESQL = {row: {BARE: 0.9} for row in TIMES if row.startswith("introspect")}  # each use reads a row there
RATES = {"client-credentials": 25.0 * KEYCLOAK, "pat-creation": 1_000.0}
Ratio = Callable[[Measured, str], float | None]


@dataclass(frozen=True, slots=True)
class Target:
    """One target: at least (or, with `at_most`, at most) `wanted`; `seen` is the measured value."""

    row: str
    size: int
    of: str
    wanted: float
    seen: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Return whether the run meets the target."""
        return self.seen <= self.wanted if self.at_most else self.seen >= self.wanted

    @property
    def verdict(self) -> str:
        """Return whether the target was met, or by how much it was missed."""
        return "met" if self.met else f"missed by {abs(self.seen / self.wanted - 1):.0%}"


def targets(measured: Sequence[Measured], ratio: Ratio, database: str) -> list[Target]:
    """Return every target that this run can judge; a row with errors has none."""
    ours = [one for one in measured if one.subject == "latchkey" and not one.errors]
    found = [target for one in ours for target in _of(one, ratio, database)]
    return found + [target for one in ours for target in _beside_others(one, ours)]


def render_table(found: Sequence[Target], profiles: Mapping[tuple[str, int], Profile]) -> str:
    """Return the targets as a Markdown table, each miss with its profile; an empty text without targets."""
    lines = ["| target of | credentials | in | wanted | seen | |", "| --- | ---: | --- | ---: | ---: | --- |"]
    for one in found:
        bound = f"{'≤' if one.at_most else '≥'} {one.wanted:,g}"
        lines.append(
            f"| {one.row} | {one.size:,} | {one.of} | {bound} | {one.seen:,.2f} "
            f"| {one.verdict}{_reason(one, profiles)} |"
        )
    return "\n".join(lines) if found else ""


def _reason(one: Target, profiles: Mapping[tuple[str, int], Profile]) -> str:
    seen = profiles.get((one.row, one.size))
    return f"; its time: {seen}" if seen and not one.met else ""


def _of(one: Measured, ratio: Ratio, database: str) -> Iterator[Target]:
    for other, wanted in (TIMES if database == "sqlite" else ON_POSTGRESQL).get(one.row, {}).items():
        if (seen := ratio(one, other)) is not None:
            yield Target(one.row, one.size, f"× {other}", wanted, seen)
    if one.row in RATES:
        yield Target(one.row, one.size, "requests/s", RATES[one.row], one.median("requests_per_second"))
    if one.row in TIMES:
        yield Target(one.row, one.size, "p99 ms", SLOWEST, one.median("p99_ms"), at_most=True)
        yield Target(one.row, one.size, "MB", LARGEST, one.median("resident_mb"), at_most=True)


def _beside_others(one: Measured, ours: Sequence[Measured]) -> Iterator[Target]:
    """Compare a row with itself: with a writer beside it, and with more credentials."""
    if one.row not in TIMES:
        return
    alone = next((other for other in ours if other.row == one.row + ALONE and other.size == one.size), None)
    if alone:
        seen = one.median("requests_per_second") / alone.median("requests_per_second")
        yield Target(one.row, one.size, "of its rate without the writer", WITH_WRITER, seen)
    smallest = min((other for other in ours if other.row == one.row), key=lambda other: other.size)
    if smallest is not one:
        seen = one.median("cpu_us") / smallest.median("cpu_us")
        yield Target(one.row, one.size, f"× its CPU µs at {smallest.size:,}", GROWN, seen, at_most=True)
