"""Set up an instance: migrate the database and create the first keys and credentials."""

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
from app.maintenance.provider_checks import find_unknown_roles, refuse_no_way_in
from app.settings.settings import Settings


def set_up_instance(settings: Settings, *, moving: bool = True) -> bool:
    """Migrate and bootstrap; return whether this was the first start. Idempotent. Raise BadSettings.

    With `moving`, an existing instance takes over the issuer of these settings.
    """
    _make_folder(settings)
    store = Store(create_engine(settings.database_url))
    try:
        if not _is_migrated(store):
            _migrate_in_process(settings.database_url)
        keys = SigningKeys(settings.sealing_keys)
        return Bootstrap(settings, store, keys, Passwords().hash, system_clock)(follow_issuer=moving)
    finally:
        store.dispose()


def check_sign_in(settings: Settings) -> list[str]:
    """Return the roles of identity providers that do not exist; raise BadSettings when nobody could sign in."""
    store = Store(create_engine(settings.database_url))
    try:
        refuse_no_way_in(settings, store)
        return find_unknown_roles(settings, store)
    finally:
        store.dispose()


def _make_folder(settings: Settings) -> None:
    """Create the instance folder; it is optional when the database is elsewhere and all secrets are settings."""
    try:
        settings.instance_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if settings.database_url.startswith("sqlite"):
            raise BadSettings(f"{settings.instance_dir} cannot be created: {error.strerror}") from None


def _is_migrated(store: Store) -> bool:
    try:
        with store.connection() as connection:
            return migrations.state(connection) == "current"
    except SQLAlchemyError:
        return False  # the migration reports the reason, in one line


def _migrate_in_process(database_url: str) -> None:
    """Migrate in a separate process, so that the server's does not keep Alembic in memory."""
    receiving, sending = Pipe(duplex=False)
    process = Process(target=_migrate, args=(database_url, sending))  # an executor needs /dev/shm
    process.start()
    sending.close()
    try:
        error: BadSettings | None = receiving.recv()
    except EOFError:
        raise BadSettings("the migration of the database was interrupted: start again") from None
    finally:
        process.join()
    if error is not None:
        raise error


def _migrate(database_url: str, sending: Connection) -> None:
    """Send None when done, or BadSettings; any other exception prints its traceback and sends nothing."""
    try:
        import_module("app.migrations.run").upgrade(database_url)
    except BadSettings as error:
        sending.send(error)
    else:
        sending.send(None)
