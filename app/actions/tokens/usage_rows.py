"""The rows of usage by hour and by day: add to them, and delete the old ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

from sqlalchemy import Executable, case, func
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from app.models import UsageDay, UsageHour

HOURS_KEPT = timedelta(days=35)
DAYS_KEPT = timedelta(days=400)
Table = type[UsageHour] | type[UsageDay]


@dataclass(frozen=True, slots=True)
class Count:
    """What is added to a row."""

    credential_id: str
    starts_at: datetime
    outcome: str
    resource: str
    target: str
    uses: int
    last_used_at: datetime
    last_address: str | None
    last_server: str | None


_COLUMNS = [column.name for column in fields(Count)]


def start_of_hour(at: datetime) -> datetime:
    """Return the beginning of the hour."""
    return at.replace(minute=0, second=0, microsecond=0)


def start_of_day(at: datetime) -> datetime:
    """Return the beginning of the day."""
    return start_of_hour(at).replace(hour=0)


def add_counts(session: Session, hours: Iterable[Count]) -> None:
    """Add the counts of hours to their rows, and to the rows of their days, within the caller's transaction."""
    by_hour = sorted(hours, key=_row_of)
    by_day = sorted((replace(count, starts_at=start_of_day(count.starts_at)) for count in by_hour), key=_row_of)
    connection = session.connection()
    for table, counts in ((UsageHour, by_hour), (UsageDay, by_day)):
        connection.execute(_addition(table, connection.dialect.name), [_values_of(count) for count in counts])


def _values_of(count: Count) -> dict[str, Any]:
    """Return the values by column: `asdict` would copy each of them, which costs more than all of the rest."""
    return {name: getattr(count, name) for name in _COLUMNS}


def _row_of(count: Count) -> tuple[str, datetime, str, str]:
    """Return the key of its row, by which nodes lock rows in the same order; several counts may have the same one."""
    return count.credential_id, count.starts_at, count.outcome, count.resource


@cache
def _addition(table: Table, dialect: str) -> Executable:
    """Return the insert that adds to the row when its key exists, in whichever order the nodes write."""
    insert: Any = postgresql_insert(table) if dialect == "postgresql" else sqlite_insert(table)
    new, later = insert.excluded, insert.excluded.last_used_at >= table.last_used_at
    changes = {
        "uses": table.uses + new.uses,
        "last_used_at": case((later, new.last_used_at), else_=table.last_used_at),
        "last_address": _latest_known(later, new.last_address, table.last_address),
        "last_server": _latest_known(later, new.last_server, table.last_server),
    }
    return cast(
        Executable, insert.on_conflict_do_update(index_elements=cast(Any, table.__table__).primary_key, set_=changes)
    )


def _latest_known(later: Any, new: Any, stored: Any) -> Any:
    """Return the later one of two values, of which one may be missing."""
    return case((later, func.coalesce(new, stored)), else_=func.coalesce(stored, new))
