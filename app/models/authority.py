"""The authority epoch: a number that increases with every change of what a credential may do, and only then.

Database triggers increase it in the transaction of the change, so that neither code nor manual SQL can miss it. A
process may cache an answer until the number changes.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Connection, MetaData, Table, event
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base

CHANGED, ADDED = "UPDATE OR DELETE", "INSERT OR UPDATE OR DELETE"
CARRIERS = {  # for CHANGED, an insert comes with a new credential, client or user, and affects no existing one
    "api_key": CHANGED,
    "api_key_scope": ADDED,
    "api_key_secret": CHANGED,
    "app_grant": CHANGED,
    "app_grant_scope": CHANGED,
    "client": CHANGED,
    "client_role": ADDED,
    "client_secret": CHANGED,
    "client_serves": ADDED,
    "permission": ADDED,
    "personal_access_token": CHANGED,
    "personal_access_token_scope": CHANGED,
    "resource": CHANGED,
    "revoked_token": "INSERT OR UPDATE",  # deleted rows have expired
    "role_permission": ADDED,
    "signing_key": ADDED,
    "user": CHANGED,
    "user_role": ADDED,
}
WITHOUT_AUTHORITY = frozenset({"last_used_at", "name_held", "held_as"})  # columns that use and issuing change
BUMP = "UPDATE authority SET epoch = epoch + 1"
FUNCTION = f"""CREATE OR REPLACE FUNCTION authority_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN {BUMP}; RETURN NULL; END $$"""


class Authority(Base):
    """The one row with the epoch."""

    __tablename__ = "authority"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(BigInteger, default=0)


def sqlite_triggers(table: Table, events: str) -> list[str]:
    """Return the triggers of a table: one per event, as SQLite requires."""
    return [
        f'CREATE TRIGGER authority_{table.name}_{verb.lower()} AFTER {event_clause(verb, table)} ON "{table.name}" '
        f"BEGIN {BUMP}; END"
        for verb in events.split(" OR ")
    ]


def postgresql_trigger(table: Table, events: str) -> str:
    """Return the trigger of a table; it runs at commit, so that no transaction holds the epoch and waits for a row."""
    named = " OR ".join(event_clause(verb, table) for verb in events.split(" OR "))
    return (
        f'CREATE CONSTRAINT TRIGGER authority_{table.name} AFTER {named} ON "{table.name}" '
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION authority_moved()"
    )


def event_clause(verb: str, table: Table) -> str:
    """Return the event of a trigger: an update of a column that use and issuing do not change."""
    columns = [column.name for column in table.columns]
    carrying = [name for name in columns if name not in WITHOUT_AUTHORITY]
    return f"UPDATE OF {', '.join(carrying)}" if verb == "UPDATE" and carrying != columns else verb


def _make_function(_: MetaData, connection: Connection, **__: Any) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(FUNCTION)


def _insert_epoch(_: Table, connection: Connection, **__: Any) -> None:
    connection.exec_driver_sql("INSERT INTO authority (id, epoch) VALUES (1, 0)")


def _create_triggers(table: Table, connection: Connection, **_: Any) -> None:
    events = CARRIERS[table.name]
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(postgresql_trigger(table, events))
    else:
        for trigger in sqlite_triggers(table, events):
            connection.exec_driver_sql(trigger)


def watch(metadata: MetaData) -> None:
    """Create every table in CARRIERS together with its triggers."""
    event.listen(metadata, "before_create", _make_function)
    event.listen(Authority.__table__, "after_create", _insert_epoch)
    for name in CARRIERS:
        event.listen(metadata.tables[name], "after_create", _create_triggers)
