"""Bring a set-up to where it can be used: the migrated database and what the first start makes."""

from __future__ import annotations

from argon2 import PasswordHasher
from sqlalchemy import create_engine

from app.actions.bootstrap import Bootstrap
from app.actions.clock import system_clock
from app.credentials.signing import SigningKeys
from app.database import Store
from app.errors import BadSettings
from app.migrations import run
from app.settings import Settings


def make_ready(settings: Settings) -> bool:
    """Migrate and bootstrap; tells whether this was the first start. Raises BadSettings. Safe to do at any time."""
    try:
        settings.instance_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSettings(f"{settings.instance_dir} cannot be made: {type(error).__name__}") from None
    run.upgrade(settings.database_url)
    store = Store(create_engine(settings.database_url))
    keys = SigningKeys(settings.secret_key.get_secret_value())
    hash_password = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash
    try:
        return Bootstrap(settings, store, keys, hash_password, system_clock)()
    finally:
        store.dispose()
