"""The figures, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from tests.benchmark.measure import Json, Measured
from tests.benchmark.profile import Profile
from tests.benchmark.rows import AUTHLIB, BARE, COUNTERPARTS, EARLIER, NODE
from tests.benchmark.targets import Target, render_table, targets

LABELS = {BARE: "bare Flask", AUTHLIB: "Authlib"}
BOUND = 0.95  # of its core: above it the generator limits the figures


@dataclass(frozen=True, slots=True)
class Report:
    """The measured rows, the absent subjects and the settings."""

    measured: Sequence[Measured]
    absent: Mapping[str, str]
    settings: Json
    profiles: Mapping[tuple[str, int], Profile] = field(default_factory=dict)  # of a row, at a size

    @property
    def failed(self) -> list[Measured]:
        """Return the rows with errors."""
        return [one for one in self.measured if one.errors]

    @property
    def _others(self) -> list[str]:
        """Return the subjects that the rows are compared with."""
        return [BARE, NODE, AUTHLIB, *([EARLIER] if any(one.subject == EARLIER for one in self.measured) else [])]

    def ratio(self, one: Measured, to: str) -> float | None:
        """Return the processor time of the counterpart at another subject divided by the time of `one`, or None.

        It compares the time a request of the server's own processes: above 1, `one` is cheaper.
        """
        wanted = {BARE: "form-to-json", EARLIER: one.row}.get(to) or COUNTERPARTS.get(one.row, {}).get(to)
        size = one.size if to == EARLIER else 0
        other = next((m for m in self.measured if (m.subject, m.row, m.size) == (to, wanted, size)), None)
        if other is None or other.errors or one.errors or not one.median("cpu_us"):
            return None
        return other.median("cpu_us") / one.median("cpu_us")

    def as_json(self) -> Json:
        """Return the whole report."""
        rows = [one.as_json() | {"ratios": self._ratios(one)} for one in self.measured]
        judged = [asdict(one) | {"verdict": one.verdict} for one in self.targets()]
        whose: Json = {f"{row} {size}": str(seen) for (row, size), seen in self.profiles.items()}
        whole: Json = {"settings": self.settings, "rows": rows, "targets": judged, "profiles": whose}
        return whole | {"absent": dict(self.absent), "failed": len(self.failed)}

    def targets(self) -> list[Target]:
        """Return the targets, each with its verdict."""
        return targets(self.measured, self.ratio, str(self.settings["database"]))

    def _ratios(self, one: Measured) -> dict[str, float]:
        found = {to: self.ratio(one, to) for to in self._others if to != one.subject}
        return {to: round(ratio, 3) for to, ratio in found.items() if ratio is not None}

    def table(self) -> str:
        """Return the medians as a Markdown table, with the targets and notes below it."""
        seen = any(one.median("database_cpu_us") for one in self.measured)
        head = ["subject", "row", "requests/s", "p50 ms", "p99 ms", "CPU µs", *(["database µs"] if seen else []), "MB"]
        head += [f"× {LABELS.get(other, other)}" for other in self._others]
        lines = [head, ["---", "---", *["---:"] * (len(head) - 2)]]
        lines += [self._line(one, seen) for one in self.measured]
        lines += [[name, f"absent: {why}", *[""] * (len(head) - 2)] for name, why in self.absent.items()]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts = (table, render_table(self.targets(), self.profiles), self._notes())
        return "\n\n".join(filter(None, parts)) + "\n"

    def _line(self, one: Measured, seen: bool) -> list[str]:
        name = f"{one.subject} {one.size:,}" if one.size else one.subject
        row = f"{one.row} FAILED ({one.errors} errors)" if one.errors else one.row
        figures = [f"{one.median('requests_per_second'):,.0f}{'*' if one.median('generator_busy') > BOUND else ''}"]
        figures += [f"{one.median('p50_ms'):.2f}", f"{one.median('p99_ms'):.2f}", f"{one.median('cpu_us'):,.0f}"]
        figures += [f"{one.median('database_cpu_us'):,.0f}"] if seen else []
        ratios = [self.ratio(one, to) if one.subject != to else None for to in self._others]
        figures += [f"{one.median('resident_mb'):.0f}", *(f"{r:.2f}" if r is not None else "" for r in ratios)]
        return [name, row, *figures]

    def _notes(self) -> str:
        notes = [", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.settings.items())]
        notes.append("CPU µs: of the server's processes, a request. ×: the other's CPU µs over this row's, this run.")
        if any(one.median("generator_busy") > BOUND for one in self.measured):
            notes.append("*: the generator's core was full, the server's may not have been.")
        notes += [f"FAILED {one.subject} {one.size or ''} {one.row}: {one.why}" for one in self.failed]
        return "\n".join(notes)
