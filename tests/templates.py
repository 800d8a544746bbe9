"""Folders for databases that are furnished once for a process, and copied for each test that needs one of its own."""

import atexit
import shutil
import tempfile
from pathlib import Path

from app.database.types import Base
from app.migrations.run import upgrade
from tests.databases import Database, chosen, database_in, has_database

# what the rows of a furnished database depend on
STORED = frozenset({"issuer", "secret_key"})

_migrated: dict[str, Database] = {}


def template_folder() -> Path:
    """Return a new folder that lasts as long as this process."""
    folder = Path(tempfile.mkdtemp(prefix="latchkey-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def create_tables(folder: Path) -> None:
    """Make the tables in the database of a folder."""
    Base.metadata.create_all(database_in(folder).engine())


def provide_tables(folder: Path) -> None:
    """Put a migrated database into the folder of a new instance: a server would need 0.3 s of CPU to migrate one."""
    if has_database(folder):
        return
    if chosen() not in _migrated:
        _migrated[chosen()] = database_in(template_folder())
        upgrade(_migrated[chosen()].url)
    _migrated[chosen()].clone_to(folder)
