"""Triggers that note, in the transaction of a change of authority, which status list indexes must be judged again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, MetaData, Table, event

from app.models.authority import CARRIERS, event_clause

SUBJECTS = {  # the column whose value names what has changed
    "api_key": "id",
    "api_key_scope": "api_key_id",
    "api_key_secret": "api_key_id",
    "app_grant": "id",
    "app_grant_scope": "grant_id",
    "client": "id",
    "client_role": "client_id",
    "permission": "resource_id",
    "personal_access_token": "id",
    "personal_access_token_scope": "token_id",
    "resource": "id",
    "role_permission": "role_id",
    "signing_key": "kid",
    "user": "id",
    "user_role": "user_id",
}
REVOKED = "revoked_token"
UNRELATED = frozenset({"client_secret", "client_serves"})  # no JWT depends on them
SHARED = ("permission", "resource", "role_permission", "signing_key")  # what many depend on
NOTE = 'INSERT INTO status_change (subject) SELECT {row}."{column}" WHERE {condition} ON CONFLICT DO NOTHING'
DEPENDS = 'EXISTS (SELECT 1 FROM status_subject WHERE subject = {row}."{column}")'
ANY = "EXISTS (SELECT 1 FROM status_subject)"
REVOKE = (
    "UPDATE status_entry SET revoked = TRUE, valid_until = 0, fingerprint = NULL "
    "WHERE number = NEW.status_list AND idx = NEW.status_index; "
    "INSERT INTO status_change (subject) SELECT NEW.jti WHERE NEW.status_list IS NULL AND length(NEW.jti) <= 64 "
    "AND EXISTS (SELECT 1 FROM status_subject) ON CONFLICT DO NOTHING"
)  # a server from before status lists, on the same database, names no index: the jti does
PRIOR, NEXT = "OLD", "NEW"
ROWS = {"INSERT": (NEXT,), "UPDATE": (PRIOR, NEXT), "DELETE": (PRIOR,)}


def notes(table: str, verb: str) -> list[str]:
    """Return the statements that note what a row was, and is, about."""
    if table == REVOKED:
        return [REVOKE]
    column = SUBJECTS[table]
    condition = ANY if table in SHARED else DEPENDS
    return [
        NOTE.format(row=row, column=column, condition=condition.format(row=row, column=column)) for row in ROWS[verb]
    ]


def sqlite_triggers(table: Table, events: str) -> list[str]:
    """Return the triggers of a table: one per event, as SQLite requires."""
    return [
        f'CREATE TRIGGER status_{table.name}_{verb.lower()} AFTER {event_clause(verb, table)} ON "{table.name}" '
        f"BEGIN {'; '.join(notes(table.name, verb))}; END"
        for verb in events.split(" OR ")
    ]


def postgresql_function(table: str) -> str:
    """Return the function of a table's trigger."""
    *prior, following = notes(table, "UPDATE")
    before = "".join(f"IF TG_OP <> 'INSERT' THEN {statement}; END IF; " for statement in prior)
    return (
        f"CREATE OR REPLACE FUNCTION status_moved_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"{before}IF TG_OP <> 'DELETE' THEN {following}; END IF; RETURN NULL; END $$"
    )


def postgresql_trigger(table: Table, events: str) -> str:
    """Return the trigger of a table; it runs at commit, after the one that moves the epoch and locks its row."""
    named = " OR ".join(event_clause(verb, table) for verb in events.split(" OR "))
    return (
        f'CREATE CONSTRAINT TRIGGER status_{table.name} AFTER {named} ON "{table.name}" '
        f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION status_moved_{table.name}()"
    )


def _create_triggers(table: Table, connection: Connection, **_: Any) -> None:
    events = CARRIERS[table.name]
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(postgresql_function(table.name))
        connection.exec_driver_sql(postgresql_trigger(table, events))
    else:
        for trigger in sqlite_triggers(table, events):
            connection.exec_driver_sql(trigger)


def watch_status(metadata: MetaData) -> None:
    """Create every table that a status depends on together with its triggers."""
    for name in (*SUBJECTS, REVOKED):
        event.listen(metadata.tables[name], "after_create", _create_triggers)
