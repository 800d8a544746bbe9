"""Bring a set-up to where it can be used: the migrated database and what the first start makes."""

from __future__ import annotations

from importlib import import_module
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from app import migrations
from app.actions.sign_in.passwords import Passwords
from app.clock import system_clock
from app.crypto.signing import SigningKeys
from app.database.store import Store
from app.errors import BadSettings
from app.maintenance.bootstrap import Bootstrap
from app.settings.settings import Settings


def make_ready(settings: Settings, *, moving: bool = True) -> bool:
    """Migrate and bootstrap; tells whether this was the first start. Raises BadSettings. Safe to do at any time.

    `moving` lets what is set up already follow the issuer of these settings.
    """
    _make_folder(settings)
    store = Store(create_engine(settings.database_url))
    try:
        if not _is_migrated(store):
            _migrate_elsewhere(settings.database_url)
        keys = SigningKeys(settings.sealing_keys)
        return Bootstrap(settings, store, keys, Passwords().hash, system_clock)(follow_issuer=moving)
    finally:
        store.dispose()


def _make_folder(settings: Settings) -> None:
    """Make the instance folder where it is needed: not when the database is elsewhere and all secrets are set."""
    try:
        settings.instance_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if settings.database_url.startswith("sqlite"):
            raise BadSettings(f"{settings.instance_dir} cannot be made: {error.strerror}") from None


def _is_migrated(store: Store) -> bool:
    try:
        with store.connection() as connection:
            return migrations.state(connection) == "current"
    except SQLAlchemyError:
        return False  # the migration says why, in one line


def _migrate_elsewhere(database_url: str) -> None:
    """Migrate in a process of its own: the server's would carry Alembic along for as long as it lives."""
    receiving, sending = Pipe(duplex=False)
    migrating = Process(target=_migrate, args=(database_url, sending))  # an executor would need /dev/shm
    migrating.start()
    sending.close()
    try:
        refused: BadSettings | None = receiving.recv()
    except EOFError:
        raise BadSettings("the migration of the database was interrupted: start again") from None
    finally:
        migrating.join()
    if refused is not None:
        raise refused


def _migrate(database_url: str, sending: Connection) -> None:
    """Send None when it is done, or why it was refused; what is neither shows itself and sends nothing."""
    try:
        import_module("app.migrations.run").upgrade(database_url)
    except BadSettings as error:
        sending.send(error)
    else:
        sending.send(None)
