"""How things stand: what is live, what ends soon, what nobody uses, and how often authentication failed lately."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, exists, func, or_, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.actions.trust.auth_methods import PROVING
from app.clock import Clock
from app.credentials.kind import API_KEY, CLIENT_CREDENTIALS, PERSONAL_ACCESS_TOKEN
from app.database.store import Store
from app.database.types import EPOCH, MICROSECOND
from app.models import ApiKey, AuditEvent, Client, ClientSecret, FederatedCredential, PersonalAccessToken, User

SOON = timedelta(days=7)
LONG = timedelta(days=90)
HOURS = 24
HOUR = timedelta(hours=1)
FAILED = "authentication.fail"


@dataclass(frozen=True, slots=True)
class Standing:
    """How many credentials of a kind are live, end within a week, and were not used for 90 days (None: not known)."""

    kind: str
    live: int
    ending: int
    unused: int | None


@dataclass(frozen=True, slots=True)
class Hour:
    """How many authentications failed in the hour that begins at `since`, of users and of clients."""

    since: datetime
    users: int
    clients: int

    @property
    def failed(self) -> int:
        """Give them together."""
        return self.users + self.clients


class Overview:
    """Counts: a pass over a table each, and an index for the trace."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def credentials(self) -> tuple[Standing, ...]:
        """Count what is live now, by kind. M2M JWTs are kept nowhere: the clients that can get one are counted."""
        now = self._clock()
        with self._store.reading() as session:
            tokens = _counted(session, _tokens(now))
            keys = _counted(session, _keys(now))
            clients = session.scalar(_live_clients(now)) or 0
            ending = session.scalar(_ending_secrets(now)) or 0
        return (
            Standing(PERSONAL_ACCESS_TOKEN, *tokens),
            Standing(API_KEY, *keys),
            Standing(CLIENT_CREDENTIALS, clients, ending, None),
        )

    def failures(self) -> tuple[Hour, ...]:
        """Count the failed authentications of the last 24 hours, hour by hour, the oldest first."""
        since = self._clock() + MICROSECOND - HOURS * HOUR  # what happens at this instant counts
        with self._store.reading() as session:
            found = {(hour, who): count for hour, who, count in session.execute(_failures(since))}
        return tuple(_hours(since, found))


def _counted(session: Session, query: Select[int, int, int]) -> tuple[int, int, int]:
    live, ending, unused = session.execute(query).one()
    return live, ending, unused


def _tokens(now: datetime) -> Select[int, int, int]:
    row = PersonalAccessToken
    of_disabled = select(User.id).where(~User.enabled)
    live = row.revoked_at.is_(None), _not_over(row.expires_at, now), row.user_id.not_in(of_disabled)
    return _three(row, now).where(*live)


def _keys(now: datetime) -> Select[int, int, int]:
    live = ApiKey.revoked_at.is_(None), _not_over(ApiKey.expires_at, now), ApiKey.enabled
    return _three(ApiKey, now).where(*live, ApiKey.resource_id.is_not(None))


def _three(row: type[PersonalAccessToken | ApiKey], now: datetime) -> Select[int, int, int]:
    ending = row.expires_at <= now + SOON
    unused = func.coalesce(row.last_used_at, row.created_at) <= now - LONG
    count = func.count()
    return select(count, func.count().filter(ending), func.count().filter(unused)).select_from(row)


def _not_over(ends: InstrumentedAttribute[datetime | None], now: datetime) -> ColumnElement[bool]:
    return or_(ends.is_(None), ends > now)


def _live_secret(now: datetime) -> ColumnElement[bool]:
    return and_(ClientSecret.revoked_at.is_(None), _not_over(ClientSecret.expires_at, now))


def _live_clients(now: datetime) -> Select[int]:
    by_secret = exists().where(ClientSecret.client_id == Client.id, _live_secret(now))
    by_issuer = exists().where(FederatedCredential.client_id == Client.id)
    proves = or_(Client.token_endpoint_auth_method.in_(PROVING), by_secret, by_issuer)
    return select(func.count()).select_from(Client).where(Client.enabled, proves)


def _ending_secrets(now: datetime) -> Select[int]:
    query = select(func.count()).select_from(ClientSecret).join(Client, Client.id == ClientSecret.client_id)
    return query.where(Client.enabled, _live_secret(now), ClientSecret.expires_at <= now + SOON)


def _failures(since: datetime) -> Select[*tuple[Any, ...]]:
    passed = type_coerce(AuditEvent.at, BigInteger) - (since - EPOCH) // MICROSECOND
    hour = (passed // (HOUR // MICROSECOND)).label("hour")
    failed = func.sum(func.coalesce(AuditEvent.details["merged"].as_integer(), 1))  # one event may count many
    found = select(hour, AuditEvent.target_type, failed).group_by("hour", AuditEvent.target_type)
    return found.where(AuditEvent.action == FAILED, AuditEvent.at >= since)


def _hours(since: datetime, found: dict[tuple[int, str], int]) -> Iterator[Hour]:
    for number in range(HOURS):
        yield Hour(since + number * HOUR, found.get((number, "user"), 0), found.get((number, "client"), 0))
