"""Read how often credentials were used and refused: one by time, resource or outcome, and the most used ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import BigInteger, ColumnElement, CompoundSelect, Select, case, cast, func, literal, select
from sqlalchemy.orm import Session

from app.actions.directory.rows import Page
from app.actions.insight.own_usage import Own, is_app_of, select_own
from app.actions.tokens.usage_rows import HOURS_KEPT, start_of_day, start_of_hour
from app.clock import Clock
from app.database.ordering import refuse_cursor
from app.database.store import Store
from app.errors import NotFound
from app.models import ApiKey, AppGrant, Client, PersonalAccessToken, UsageDay, UsageHour, User
from app.models.usage import SUCCESS

GroupBy = Literal["hour", "day", "resource", "outcome"]
DEFAULT_PERIOD = timedelta(days=30)
MOST_ROWS = 1_000  # of a page: more than there are hours in 35 days; there can be more resources
FURTHEST = re.compile(r"[0-9]{1,6}")  # a cursor: how many groups come before the page
WEEK = 7
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
UNKNOWN = "there is no such credential: give the id of a personal access token, an API key, a client or a grant"
NOT_OWN = "you have no such credential: give the id of a personal access token, an app or a grant of yours"
Query = Select[*tuple[Any, ...]]
Whose = str | Own  # the id of any credential, or a client_id; or what a user owns


@dataclass(frozen=True, slots=True)
class UsageRow:
    """The uses and refusals of one hour, day, resource or outcome, which `group` names; "" means several or none."""

    group: str
    uses: int
    refusals: int
    last_used_at: datetime
    last_address: str | None
    last_server: str | None


@dataclass(frozen=True, slots=True)
class UsagePoint:
    """The uses and refusals of the hour or day that begins at `starts_at`."""

    starts_at: datetime
    uses: int
    refusals: int


@dataclass(frozen=True, slots=True)
class TopUsed:
    """A credential among the most used; `target` is which kind of row it is, `name` is empty when it was deleted.

    `owner` is the username of a user whose token or grant it is.
    """

    target: str
    credential_id: str
    name: str
    owner: str
    uses: int
    refusals: int
    last_used_at: datetime


class ReadUsage:
    """Reads what the nodes have written: the last seconds are not in it yet."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def page(
        self,
        whose: Whose,
        limit: int = MOST_ROWS,
        after: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        group_by: GroupBy = "day",
    ) -> Page[UsageRow]:
        """Return the counts from the hour or day of `since` until before `until`, in groups, and the next cursor.

        Times are sorted with the oldest first, resources and outcomes with the most used first. Raise Invalid for the
        cursor of another list, and NotFound for what was never counted and is not there either.
        """
        since, skipped = since or self._clock() - DEFAULT_PERIOD, _read_cursor(after)
        table = self._table(group_by, since)
        with self._store.reading() as session:
            ids = _find_ids(session, whose)
            query = _grouped(table, ids, since, until, group_by).limit(limit + 1).offset(skipped)
            rows = session.execute(query).all()
            if not rows:
                _refuse_unknown(session, whose, ids)
        found = [UsageRow(_write_group(row.group), *row[1:]) for row in rows[:limit]]
        return found, str(skipped + limit) if len(rows) > limit else None

    def of(
        self,
        whose: Whose,
        since: datetime | None = None,
        until: datetime | None = None,
        group_by: GroupBy = "day",
    ) -> list[UsageRow]:
        """Return the first page of the counts: all of them by hour, day or outcome; of resources, the most used."""
        return self.page(whose, since=since, until=until, group_by=group_by)[0]

    def hours(self, whose: Whose, hours: int = WEEK * 24) -> list[UsagePoint]:
        """Return the last hours, the present one last, also those without uses."""
        return self._points(UsageHour, whose, start_of_hour(self._clock()), HOUR, hours)

    def days(self, whose: Whose, days: int = 30) -> list[UsagePoint]:
        """Return the last days, today last, also those without uses."""
        return self._points(UsageDay, whose, start_of_day(self._clock()), DAY, days)

    def top(self, limit: int = 10, since: datetime | None = None) -> list[TopUsed]:
        """Return the credentials with the most uses and refusals since the day of `since`: by default of a week."""
        row, first = UsageDay, start_of_day(since or self._clock() - WEEK * DAY)
        total = func.sum(row.uses)
        query = select(row.target, row.credential_id, *_counts(row), func.max(row.last_used_at))
        query = query.where(row.starts_at >= first).group_by(row.target, row.credential_id)
        with self._store.reading() as session:
            found = session.execute(query.order_by(total.desc(), row.credential_id).limit(limit)).all()
            named = session.execute(_names([each.credential_id for each in found])).all()
        names: dict[str, tuple[str, str]] = {row[0]: (row[1], row[2]) for row in named}
        return [_name(each, names) for each in found]

    def _table(self, group_by: GroupBy, since: datetime) -> type[UsageHour] | type[UsageDay]:
        """Return the finer table while it holds all of the period."""
        hours_hold = since >= self._clock() - HOURS_KEPT + DAY
        return UsageHour if group_by == "hour" or (group_by != "day" and hours_hold) else UsageDay

    def _points(
        self, table: type[UsageHour] | type[UsageDay], whose: Whose, last: datetime, step: timedelta, number: int
    ) -> list[UsagePoint]:
        first = last - (number - 1) * step
        query = select(table.starts_at, *_counts(table)).group_by(table.starts_at)
        with self._store.reading() as session:
            rows = session.execute(query.where(table.credential_id.in_(_ids(whose)), table.starts_at >= first))
            found = {starts_at: (uses, refusals) for starts_at, uses, refusals in rows}
        moments = [first + index * step for index in range(number)]
        return [UsagePoint(moment, *found.get(moment, (0, 0))) for moment in moments]


def _counts(row: Any) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """Return the sums of the uses and of the refusals."""
    used = case((row.outcome == SUCCESS, row.uses), else_=0)
    refused = case((row.outcome != SUCCESS, row.uses), else_=0)
    return cast(func.sum(used), BigInteger).label("uses"), cast(func.sum(refused), BigInteger).label("refusals")


def _find_ids(session: Session, whose: Whose) -> Any:
    """Return the rows whose counts are added up; a client_id names its client."""
    named = None if isinstance(whose, Own) else session.scalar(select(Client.id).where(Client.client_id == whose))
    return _ids(named or whose)


def _ids(whose: Whose) -> Any:
    """Return the rows whose counts are added up, for IN: what a user owns is read by its owner, and never else."""
    return select_own(whose) if isinstance(whose, Own) else [whose]


def _refuse_unknown(session: Session, whose: Whose, ids: Any) -> None:
    """Raise NotFound for what is not there; what is not the user's is answered alike."""
    if not isinstance(whose, Own):
        if session.execute(_names(ids)).first() is None:
            raise NotFound(UNKNOWN)
    elif session.execute(ids).first() is None and not is_app_of(session, whose):
        raise NotFound(NOT_OWN)


def _read_cursor(after: str | None) -> int:
    if after is not None and not FURTHEST.fullmatch(after):
        raise refuse_cursor()
    return int(after or 0)


def _grouped(table: Any, ids: Any, since: datetime, until: datetime | None, group_by: GroupBy) -> Query:
    """Group the rows, with the address and the server of the latest one of each group."""
    by_time = group_by in ("hour", "day")
    key = table.starts_at if by_time else getattr(table, group_by)
    first = start_of_hour(since) if table is UsageHour else start_of_day(since)
    within = [table.credential_id.in_(ids), table.starts_at >= first]
    within += [table.starts_at < until] if until else []
    latest = func.row_number().over(partition_by=key, order_by=(table.last_used_at.desc(), table.starts_at.desc()))
    row = select(table, key.label("group"), latest.label("place")).where(*within).subquery().c
    last = [func.max(column).filter(row.place == 1) for column in (row.last_address, row.last_server)]
    query = select(row.group, *_counts(row), func.max(row.last_used_at), *last).group_by(row.group)
    order = (row.group.asc(),) if by_time else (func.sum(row.uses).desc(), row.group.asc())
    return query.order_by(*order)


def _names(ids: list[str]) -> CompoundSelect[str, str, str]:
    """Return the names of these tokens, keys, clients and apps, and of the users whose tokens and grants they are."""
    nobodys = [select(row.id, row.name, literal("")).where(row.id.in_(ids)) for row in (ApiKey, Client)]
    token, grant = PersonalAccessToken, AppGrant
    tokens = select(token.id, token.name, User.username).join(User, User.id == token.user_id).where(token.id.in_(ids))
    grants = select(grant.id, Client.name, User.username).join(Client, Client.id == grant.client_id)
    grants = grants.join(User, User.id == grant.user_id).where(grant.id.in_(ids))
    return tokens.union_all(*nobodys, grants)


def _name(row: Any, names: Mapping[str, tuple[str, str]]) -> TopUsed:
    return TopUsed(row.target, row.credential_id, *names.get(row.credential_id, ("", "")), *row[2:])


def _write_group(value: Any) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else str(value)
