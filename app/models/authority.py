"""The authority epoch: one number that moves with every change of what a credential may do, and with nothing else.

Triggers of the database move it, in the transaction of the change itself, so that no code path and no operator's hand
can forget it. A process may keep an answer for as long as the number stands.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Connection, MetaData, Table, event
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base

CHANGED, ADDED = "UPDATE OR DELETE", "INSERT OR UPDATE OR DELETE"
CARRIERS = {  # what is only ever added with a new credential, client or user takes nothing from one that is known
    "api_key": CHANGED,
    "api_key_scope": ADDED,
    "api_key_secret": CHANGED,
    "client": CHANGED,
    "client_role": ADDED,
    "client_secret": CHANGED,
    "client_serves": ADDED,
    "permission": ADDED,
    "personal_access_token": CHANGED,
    "personal_access_token_scope": CHANGED,
    "resource": CHANGED,
    "revoked_token": "INSERT OR UPDATE",  # what is forgotten has expired
    "role_permission": ADDED,
    "signing_key": ADDED,
    "user": CHANGED,
    "user_role": ADDED,
}
WITHOUT_AUTHORITY = frozenset({"last_used_at", "name_held", "held_as"})  # columns that using and issuing change
BUMP = "UPDATE authority SET epoch = epoch + 1"
FUNCTION = f"""CREATE OR REPLACE FUNCTION authority_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN {BUMP}; RETURN NULL; END $$"""


class Authority(Base):
    """The one row that holds the epoch."""

    __tablename__ = "authority"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(BigInteger, default=0)


def sqlite_triggers(table: Table, events: str) -> list[str]:
    """Give the triggers of a table: one an event, as SQLite wants it."""
    return [
        f'CREATE TRIGGER authority_{table.name}_{verb.lower()} AFTER {_named(verb, table)} ON "{table.name}" '
        f"BEGIN {BUMP}; END"
        for verb in events.split(" OR ")
    ]


def postgresql_trigger(table: Table, events: str) -> str:
    """Give the trigger of a table; it runs at the commit, so that nobody holds the epoch while waiting for a row."""
    named = " OR ".join(_named(verb, table) for verb in events.split(" OR "))
    return (
        f'CREATE CONSTRAINT TRIGGER authority_{table.name} AFTER {named} ON "{table.name}" '
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION authority_moved()"
    )


def _named(verb: str, table: Table) -> str:
    columns = [column.name for column in table.columns]
    carrying = [name for name in columns if name not in WITHOUT_AUTHORITY]
    return f"UPDATE OF {', '.join(carrying)}" if verb == "UPDATE" and carrying != columns else verb


def _make_function(_: MetaData, connection: Connection, **__: Any) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(FUNCTION)


def _begin(_: Table, connection: Connection, **__: Any) -> None:
    connection.exec_driver_sql("INSERT INTO authority (id, epoch) VALUES (1, 0)")


def _watch(table: Table, connection: Connection, **_: Any) -> None:
    events = CARRIERS[table.name]
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(postgresql_trigger(table, events))
    else:
        for trigger in sqlite_triggers(table, events):
            connection.exec_driver_sql(trigger)


def watch(metadata: MetaData) -> None:
    """Let every table that carries authority be made with its triggers."""
    event.listen(metadata, "before_create", _make_function)
    event.listen(Authority.__table__, "after_create", _begin)
    for name in CARRIERS:
        event.listen(metadata.tables[name], "after_create", _watch)
