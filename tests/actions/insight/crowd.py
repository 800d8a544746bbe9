"""A server at scale: 5,000 users, 20,000 tokens, 300 roles and 1,000 keys, inserted in bulk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event, insert, text

from app.actions.tokens.usage_rows import Count, add_counts, start_of_hour
from app.credentials.reasons import Reason
from app.database.store import Store
from app.database.types import Base
from app.models import (
    ApiKey,
    AppGrant,
    Client,
    ClientRole,
    ClientSecret,
    Consent,
    Permission,
    PersonalAccessToken,
    PersonalAccessTokenScope,
    Resource,
    Role,
    RolePermission,
    User,
    UserRole,
)
from app.models.usage import SUCCESS
from tests.core import Core, start_core

USERS, TOKENS, ROLES, KEYS, APIS, CLIENTS = 5_000, 20_000, 300, 1_000, 50, 200
RARE = 100  # one token in so many is revoked, one has expired, one never expires, one ends within a week


Statements = list[tuple[str, Any]]


def api(number: int) -> str:
    """Return the identifier of an API."""
    return f"https://api.example/{number}"


def seed(store: Store, now: datetime) -> None:
    """Fill a database that has no objects of these ids yet; the newest rows are made `now`."""
    day = timedelta(days=1)
    token = {"description": "", "hint": "lk_pat_…abcd", "generation": 1, "name_held": True}
    rows: dict[type[Base], list[dict[str, Any]]] = {
        Resource: [
            {"id": f"res_{n}", "identifier": api(n), "name": f"API {n}", "access_token_ttl": 3600, "built_in": False}
            | {"created_at": now}
            for n in range(APIS)
        ],
        Permission: [
            {"id": f"perm_{n}", "resource_id": f"res_{n % APIS}", "name": f"scope{n}", "public": n % 2 == 0}
            for n in range(4 * APIS)
        ],
        Role: [{"id": f"role_{n}", "name": f"role {n}", "type": "user", "created_at": now} for n in range(ROLES)],
        RolePermission: [{"role_id": f"role_{n}", "permission_id": f"perm_{n % (4 * APIS)}"} for n in range(ROLES)],
        User: [
            {"id": f"usr_{n}", "username": f"user{n}", "email": f"user{n}@shop.example", "display_name": f"User {n}"}
            | {"enabled": n % RARE != 0, "created_at": now, "username_key": f"user{n}"}
            for n in range(USERS)
        ],
        UserRole: [{"user_id": f"usr_{n}", "role_id": f"role_{n % ROLES}"} for n in range(USERS)],
        Client: [
            {"id": f"cli_{n}", "client_id": f"client{n}", "name": f"client {n}", "enabled": True, "created_at": now}
            | {"token_endpoint_auth_method": "client_secret_basic"}
            for n in range(CLIENTS)
        ],
        ClientRole: [{"client_id": f"cli_{n}", "role_id": f"role_{n % ROLES}"} for n in range(CLIENTS)],
        ClientSecret: [
            {"id": f"sec_{n}", "client_id": f"cli_{n}", "digest": f"s{n}", "hint": "h", "created_at": now - n * day}
            for n in range(CLIENTS)
        ],
        PersonalAccessToken: [
            {"id": f"pat_{n:05}", "user_id": f"usr_{n % USERS}", "name": f"token {n}", "digest": f"p{n}", **token}
            | {"created_at": now - n * timedelta(minutes=10), "issued_at": now, "expires_at": _end(n, now, day)}
            | {"revoked_at": now if n % RARE == 3 else None, "held_as": f"token {n}"}
            | {"last_used_at": None if n % 3 else now - (n % 200) * day / 2}
            for n in range(TOKENS)
        ],
        PersonalAccessTokenScope: [
            {"token_id": f"pat_{n:05}", "resource_id": f"res_{n % APIS}", "permission_id": f"perm_{n % (4 * APIS)}"}
            for n in range(TOKENS)
        ],
        ApiKey: [
            {"id": f"key_{n}", "name": f"key {n}", "resource_id": f"res_{n % APIS}", "narrowed": False, "hint": "h"}
            | {"created_at": now - n * day / 10, "enabled": True, "allowed_ips": []}
            | {"expires_at": _end(n, now, day), "revoked_at": now if n % RARE == 3 else None}
            for n in range(KEYS)
        ],
    }
    with store.transaction() as session:
        for table, values in rows.items():
            session.connection().execute(insert(table), values)
    if store.dialect == "postgresql":  # as autovacuum does
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))


def seed_grants(store: Store, client_id: str, user_ids: Sequence[str], now: datetime, number: int) -> None:
    """Make these users allow an app by this many grants, `grt_0` and so on in turn, each used on a day of a month."""
    ends, day = now + timedelta(days=300), timedelta(days=1)
    grants = [
        {"id": f"grt_{n}", "user_id": user_ids[n % len(user_ids)], "client_id": client_id, "created_at": now}
        | {"expires_at": ends}
        for n in range(number)
    ]
    consents = [
        {"id": f"con_{client_id}{n}", "user_id": user_id, "client_id": client_id, "created_at": now, "updated_at": now}
        for n, user_id in enumerate(user_ids)
    ]
    with store.transaction() as session:
        session.connection().execute(insert(Consent), consents)
        for outcome, part in ((SUCCESS, 1), (Reason.EXPIRED, 3)) if number else ():
            used = [_count(f"grt_{n}", "grant", now - n % 30 * day, outcome, n) for n in range(0, number, part)]
            add_counts(session, used)
        if number:
            session.connection().execute(insert(AppGrant), grants)


def seed_usage(store: Store, now: datetime) -> None:
    """Count uses and refusals of some credentials on each of 30 days, of several APIs."""
    counted = (("pat_00007", "personal_access_token"), ("key_7", "api_key"), ("cli_7", "client"), ("grt_7", "grant"))
    hours = [now - n * timedelta(hours=6) for n in range(30 * 4)]
    with store.transaction() as session:
        for row_id, target in counted:
            for reason in (SUCCESS, *list(Reason)[:5]):
                add_counts(session, [_count(row_id, target, at, reason, n) for n, at in enumerate(hours)])


def _count(row_id: str, target: str, at: datetime, outcome: str, n: int) -> Count:
    return Count(
        row_id, start_of_hour(at), outcome, api(n % APIS), target, 1_234_567 + n, at, "2001:db8:1234::/48", f"client{n}"
    )


def _end(n: int, now: Any, day: timedelta) -> Any:
    """Return when a credential expires: a few never do, few have, few will soon."""
    return {0: None, 1: now - day, 2: now + 3 * day}.get(n % RARE, now + (30 + n % 300) * day)


@contextmanager
def start_crowd(folder: Path) -> Iterator[Core]:
    """Make a core on a filled database."""
    made = start_core(folder)
    seed(made.store, made.clock())
    yield made
    made.actions.usage.stop()
    made.store.dispose()


@contextmanager
def statements(core: Core) -> Iterator[Statements]:
    """Collect the statements that are sent to the database to read."""
    sent: Statements = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    engine = core.store._readers
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def plan(core: Core, statement: str, parameters: Any) -> str:
    """Return how the database runs a statement; PostgreSQL as if it could not read a small table whole instead."""
    with core.store.engine.connect() as connection:
        if core.store.dialect == "postgresql":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN " if core.store.dialect == "postgresql" else "EXPLAIN QUERY PLAN "
        rows = connection.exec_driver_sql(explain + statement, parameters).all()
    return "\n".join(str(row[-1]) for row in rows)
