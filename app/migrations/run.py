"""Run the revisions; this needs Alembic, which a server process never loads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import JSON, Column, Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError

from app import models
from app.database.engines import prepare_connections, prepare_engine
from app.errors import BadSettings
from app.migrations import FOLDER, known_revisions, refuse_newer, revisions
from app.settings.database_url import describe_url

METADATA = models.User.metadata  # of all tables, which importing the models declared
LONGEST_MIGRATION_MS = 600_000
LOCK = 0x1A7C4E1  # any number that is ours: PostgreSQL's advisory lock


def _compare_default(
    _context: object, _found: object, column: Column[Any], found: str | None, _default: object, written: str | None
) -> bool | None:
    """Compare the default of a JSON column as text, because PostgreSQL has no equality of JSON; None: as usual."""
    if not isinstance(column.type, JSON):
        return None
    return (found or "").removesuffix("::json") != (written or "")


OPTIONS: dict[str, Any] = {
    "target_metadata": METADATA,
    "render_as_batch": True,
    "compare_server_default": _compare_default,
}


def upgrade(database_url: str, to: str = "head") -> bool:
    """Migrate the database to this code's revision; return whether that changed it. Safe in concurrent starts.

    Raise BadSettings when the database is newer than the code, or cannot be reached or migrated.
    """
    with _lock_database(database_url) as connection:
        before = revisions(connection)
        refuse_newer(before)
        command.upgrade(_config(connection), to)
        _check_references(connection)
        return before != revisions(connection)


def downgrade(database_url: str, to: str) -> None:
    """Migrate the database back to revision `to`, or to `base`, which drops every table. Raise BadSettings."""
    with _lock_database(database_url) as connection:
        command.downgrade(_config(connection), to)
        _check_references(connection)


def differences(connection: Connection) -> list[object]:
    """Return the differences between the models and the database."""
    return list(compare_metadata(MigrationContext.configure(connection, opts=OPTIONS), METADATA))


def draft(database_url: str, message: str) -> None:
    """Write a revision that migrates a database to the current models; read it before it is committed."""
    with _lock_database(database_url) as connection:
        command.revision(_config(connection), message, autogenerate=True, rev_id=f"{len(known_revisions()) + 1:04}")


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _lock_database(database_url: str) -> Iterator[Connection]:
    """Open a connection in one transaction that no other start's migration overlaps."""
    engine = create_engine(database_url)
    prepare_connections(engine)
    prepare_engine(engine)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    try:
        with _one_line_errors(engine), engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL lock_timeout = 0"))  # another start's migration may take long
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _one_line_errors(engine: Engine) -> Iterator[None]:
    """Turn an error of the driver into one line without the database's password."""
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[:1]
        raise BadSettings(f"the database {describe_url(engine.url)} cannot be used: {''.join(reason)}") from None


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    """Switch foreign keys off: a batch migration of SQLite copies a table, and dropping the old must not cascade.

    Another start's migration may take long: wait for it.
    """
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute(f"PRAGMA busy_timeout={LONGEST_MIGRATION_MS}")


def _check_references(connection: Connection) -> None:
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise BadSettings("a migration left foreign keys without their row: nothing was changed")
