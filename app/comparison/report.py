"""The table of stated and measured rows, as JSON and as text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from app.comparison.stated import COLUMNS, ROWS
from app.texts import mark

NOT_YET = "not measured yet: run `latchkey compare`"
USED = mark("used until it is refused; a status list by a clock set to the end of its ttl")
MEASURED: Mapping[str, tuple[str, str]] = {  # the title of each row, and how its cells are measured
    "user_context_revealed": (mark("User context revealed"), mark("whom introspection names")),
    "fields": (mark("What introspection returns"), mark("the members of an answer")),
    "smallest_scope": (mark("Smallest scope obtainable"), mark("asked for one scope of three")),
    "requests": (mark("Requests before the first API call"), mark("counted")),
    "characters": (mark("Characters to carry"), mark("counted")),
    "time_to_issue": (mark("Time to issue"), mark("median (spread) of 15; each cell says what is in it")),
    "time_to_verify": (mark("Time to verify by introspection"), mark("median (spread) of 15")),
    "time_to_verify_locally": (mark("Time to verify locally"), mark("median (spread) of 15; signature, iss, aud, exp")),
    "time_to_verify_with_list": (
        mark("Time to verify locally, with the status list"),
        mark("median (spread) of 15; the same, and the bit of a list that is kept"),
    ),
    "after_revocation": (mark("After its revocation"), USED),
    "after_rotation": (mark("After its rotation"), USED),
    "after_role_removal": (mark("After its role is taken away"), USED),
    "after_disabling": (mark("After its owner is disabled"), USED),
    "after_password_change": (mark("After the owner's password changes"), USED),
    "after_app_end": (mark("After the user ends the app"), USED),
    "after_expiry": (mark("After its expiry"), mark("given 1 s to live; a JWT against a clock set to its exp")),
    "theft": (mark("What a thief reaches"), mark("calls that succeed with it")),
    "mints": (mark("Can it make others"), mark("tried")),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A stated or measured property of one kind; `agrees` is False when a probe contradicts the contract."""

    text: str
    value: Any = None
    agrees: bool | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `source` names the source of a stated row, or how a measured row was measured."""

    name: str
    title: str
    measured: bool
    source: str
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole comparison of one server at one moment; without `at`, nothing is measured yet."""

    issuer: str
    at: datetime | None
    via: str
    rows: tuple[Row, ...]

    @property
    def columns(self) -> dict[str, str]:
        """The keys and titles of the compared kinds."""
        return {key: title for key, title in COLUMNS.items() if key in self.rows[0].cells}

    @property
    def contradictions(self) -> list[str]:
        """The cells in which the server contradicts its contract."""
        return [
            f"{row.title}, {COLUMNS[column]}: {cell.text}"
            for row in self.rows
            for column, cell in row.cells.items()
            if cell.agrees is False
        ]

    def as_json(self) -> dict[str, Any]:
        """Return the report as the members of a JSON object."""
        return {
            "issuer": self.issuer,
            "at": self.at and self.at.isoformat().replace("+00:00", "Z"),
            "via": self.via,
            "columns": [{"name": name, "title": title} for name, title in self.columns.items()],
            "rows": [asdict(row) for row in self.rows],
            "contradictions": self.contradictions,
        }

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Report:
        """Read the result of `as_json`; raises KeyError, TypeError or ValueError for anything else."""
        rows = tuple(
            Row(**row | {"cells": {column: Cell(**cell) for column, cell in row["cells"].items()}})
            for row in members["rows"]
        )
        at = members["at"] and datetime.fromisoformat(members["at"])
        return cls(members["issuer"], at, members["via"], rows)

    def as_text(self, width: int = 80) -> str:
        """Return the report row by row, for a terminal of `width` characters."""
        at = f"compared at {self.at:%Y-%m-%d %H:%M} UTC, {self.via}" if self.at else "not measured yet"
        lines = [f"Credentials of {self.issuer}", at, ""]
        for row in self.rows:
            heading = f"{row.title}  ({'measured' if row.measured else 'stated'}: {row.source})"
            lines += textwrap.wrap(heading, width, subsequent_indent="  ")
            for column, title in self.columns.items():
                lines += _wrap_cell(title, row.cells[column], width)
            lines.append("")
        return "\n".join(lines)


def _wrap_cell(title: str, cell: Cell, width: int) -> list[str]:
    head = f"  {title:<25}"
    body = textwrap.wrap(("!! " if cell.agrees is False else "") + cell.text, width - len(head)) or [""]
    return [head + body[0], *(" " * len(head) + more for more in body[1:])]


def stated_rows() -> tuple[Row, ...]:
    """Return the stated rows."""
    return tuple(
        Row(row.key, row.title, False, row.source, {column: Cell(text) for column, text in row.cells.items()})
        for row in ROWS
    )


def measured_row(key: str, cells: Mapping[str, Cell]) -> Row:
    """Return a row of measured cells, in the order of the columns."""
    title, how = MEASURED[key]
    return Row(key, title, True, how, {column: cells[column] for column in COLUMNS if column in cells})


def unmeasured(issuer: str) -> Report:
    """Return the table before any measurement: the stated rows, and the measured rows without results."""
    empty = tuple(measured_row(key, dict.fromkeys(COLUMNS, Cell(NOT_YET))) for key in MEASURED)
    return Report(issuer, None, "", (*stated_rows(), *empty))
