"""The table: rows of stated and of measured cells, for machines and for people."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from app.comparison.stated import COLUMNS, OAUTH, ROWS

NOT_ISSUED = "not issued by this server"


@dataclass(frozen=True, slots=True)
class Cell:
    """What is said or was seen of one kind; `agrees` is False when a probe contradicts the contract."""

    text: str
    value: Any = None
    agrees: bool | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `source` tells where a stated row comes from, or how a measured one was made."""

    key: str
    title: str
    measured: bool
    source: str
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole comparison of one server at one moment."""

    issuer: str
    at: datetime
    rows: tuple[Row, ...]

    @property
    def contradictions(self) -> list[str]:
        """Name each cell in which the server did not do what its contract says."""
        return [
            f"{row.title}, {COLUMNS[column]}: {cell.text}"
            for row in self.rows
            for column, cell in row.cells.items()
            if cell.agrees is False
        ]

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON would have it."""
        return {
            "issuer": self.issuer,
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "columns": [{"key": key, "title": title} for key, title in COLUMNS.items()],
            "rows": [asdict(row) for row in self.rows],
            "contradictions": self.contradictions,
        }

    def as_text(self, kinds: Sequence[str] = (), width: int = 80) -> str:
        """Give it row by row for a terminal of `width` characters; `kinds` leaves the others out."""
        wanted = kinds or tuple(COLUMNS)
        lines = [f"Credentials of {self.issuer}, compared at {self.at:%Y-%m-%d %H:%M} UTC", ""]
        for row in self.rows:
            lines += [f"{row.title}  ({'measured' if row.measured else 'stated'})"]
            for column in wanted:
                cell = row.cells[column]
                mark = "!! " if cell.agrees is False else ""
                head = f"  {COLUMNS[column][:24]:<25}"
                body = textwrap.wrap(mark + cell.text, width - len(head)) or [""]
                lines += [head + body[0], *(" " * len(head) + more for more in body[1:])]
            lines.append("")
        return "\n".join(lines)


def stated_rows() -> tuple[Row, ...]:
    """Give the rows of our own words."""
    return tuple(
        Row(row.key, row.title, False, row.source, {column: Cell(text) for column, text in row.cells.items()})
        for row in ROWS
    )


def measured_row(key: str, title: str, how: str, cells: Mapping[str, Cell]) -> Row:
    """Make a row of what probes saw; the delegated token's cell says that there is none to probe."""
    return Row(key, title, True, how, {c: Cell(NOT_ISSUED) if c == OAUTH else cells[c] for c in COLUMNS})
