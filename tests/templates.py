"""Folders for databases that are furnished once for a process, and copied for each test that needs one of its own."""

import atexit
import shutil
import tempfile
from pathlib import Path

from app.database.types import Base
from tests.databases import database_in

# what the rows of a furnished database depend on
STORED = frozenset({"issuer", "secret_key"})


def template_folder() -> Path:
    """Return a new folder that lasts as long as this process."""
    folder = Path(tempfile.mkdtemp(prefix="latchkey-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def create_tables(folder: Path) -> None:
    """Make the tables in the database of a folder."""
    Base.metadata.create_all(database_in(folder).engine())
