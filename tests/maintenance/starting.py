"""A first start in a folder: in this process, or in one that is killed in the middle of it."""

import os
import signal
import sys
from pathlib import Path

from sqlalchemy import create_engine

from app.clock import system_clock
from app.crypto.signing import SigningKeys
from app.database.store import Store
from app.maintenance import bootstrap
from app.migrations import run
from app.settings.settings import Settings
from tests.databases import database_in

KEY = "a secret key of more than thirty-two characters"


def start(folder: Path, **settings: object) -> tuple[bool, Store]:
    """Start once in this folder; return whether it was the first start."""
    if "database_url" not in settings:
        settings["database_url"] = database_in(folder).url
    chosen = Settings(instance_dir=folder, secret_key=KEY, **settings)  # type: ignore[arg-type]
    run.upgrade(chosen.database_url)
    store = Store(create_engine(chosen.database_url))
    return bootstrap.Bootstrap(
        chosen, store, SigningKeys(KEY), lambda password: f"hash of {len(password)}", system_clock
    )(), store


def main() -> None:
    """Start in the folder, and die where the second argument says; the third is the database."""
    folder, where, url = sys.argv[1:]
    owner, name = where.split(":")
    setattr(getattr(bootstrap, owner), name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    start(Path(folder), database_url=url)
