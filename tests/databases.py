"""The databases of a run: SQLite files or, with TEST_DATABASE=postgresql, those of a real cluster; `both` in one run.

No test knows which: each asks for the database of its folder and speaks the SQL that both understand.
"""

import atexit
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine, MetaData, NullPool, create_engine, text

from tests.cluster import Cluster, program

CHOICE = "TEST_DATABASE"
SQLITE, POSTGRESQL, BOTH = "sqlite", "postgresql", "both"
Shared = TypeVar("Shared")
_cluster: Cluster | None = None
_made: dict[Path, "Database"] = {}


class Database(ABC):
    """The database of one folder: what is in it, and how a server is told of it."""

    def __init__(self, folder: Path) -> None:
        """Take the folder of an instance; nothing is in the database yet."""
        self.folder = folder

    @property
    @abstractmethod
    def url(self) -> str:
        """What SQLAlchemy takes."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What a server or a command is told, so that it finds the database."""

    @abstractmethod
    def copy_to(self, folder: Path) -> None:
        """Make the database of another folder, with all that is in this one; nobody may be using it."""

    @abstractmethod
    def dump(self) -> bytes:
        """Give all that is kept, to look for what must not be."""

    @abstractmethod
    def drop(self) -> None:
        """Forget all of it."""

    def execute(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Run one statement (`:name` stands for a value), commit, and give its rows."""
        with self.engine().begin() as connection:
            done = connection.execute(text(statement), values)
            return [tuple(row) for row in done] if done.returns_rows else []

    def engine(self) -> Engine:
        """Give an engine that keeps no connection."""
        return create_engine(self.url, poolclass=NullPool)


class SqliteDatabase(Database):
    """The file latchkey.db, where a server puts it by default."""

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder.absolute() / 'latchkey.db'}"

    @property
    def settings(self) -> dict[str, Any]:
        return {}  # it is where the default says

    def copy_to(self, folder: Path) -> None:
        shutil.copy(self.folder / "latchkey.db", folder / "latchkey.db")

    def dump(self) -> bytes:
        """Give the bytes of the file and of what stands beside it: deleted rows too may still be in them."""
        file, log = self.folder / "latchkey.db", self.folder / "latchkey.db-wal"
        return file.read_bytes() + (log.read_bytes() if log.exists() else b"")

    def drop(self) -> None:
        """Leave it to pytest, which clears its folders away."""


class PostgresqlDatabase(Database):
    """A database of this process' cluster, named after the folder."""

    def __init__(self, folder: Path, template: str = "template1") -> None:
        super().__init__(folder)
        self.name = f"test_{sha256(str(folder).encode()).hexdigest()[:20]}"
        cluster().create(self.name, template)

    @property
    def url(self) -> str:
        return cluster().url(self.name).replace("postgresql:", "postgresql+psycopg:")

    @property
    def settings(self) -> dict[str, Any]:
        return {"database_url": cluster().url(self.name)}

    def copy_to(self, folder: Path) -> None:
        _made[folder] = PostgresqlDatabase(folder, self.name)

    def dump(self) -> bytes:
        """Give every value of every row."""
        engine, tables = self.engine(), MetaData()
        tables.reflect(engine)
        with engine.connect() as connection:
            rows = [row for table in tables.sorted_tables for row in connection.execute(table.select())]
        return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)

    def drop(self) -> None:
        cluster().drop(self.name)


def database_in(folder: Path) -> Database:
    """Give the database of an instance's folder; it is made, empty, when it is first asked for."""
    if folder not in _made:
        _made[folder] = PostgresqlDatabase(folder) if chosen() == POSTGRESQL else SqliteDatabase(folder)
    return _made[folder]


def chosen() -> str:
    """Return the name of the databases of this run or, when it is on both, of the test that runs."""
    return os.environ.get(CHOICE) or SQLITE


def module_of(nodeid: str) -> str:
    """Return the part of a test's name that names its module: its file, and perhaps `::postgresql`."""
    file, _, name = nodeid.partition("::")
    return f"{file}::{POSTGRESQL}" if name.startswith(f"{POSTGRESQL}::") else file


@contextmanager
def per_database(make: Callable[[], AbstractContextManager[Shared]]) -> Iterator[Callable[[], Shared]]:
    """Give a function that returns one for the database of the running test: made when needed, closed at the end."""
    made: dict[str, Shared] = {}
    with ExitStack() as stack:

        def get() -> Shared:
            if chosen() not in made:
                made[chosen()] = stack.enter_context(make())
            return made[chosen()]

        yield get


def cluster() -> Cluster:
    """Give this process' cluster; it is started when it is first asked for."""
    global _cluster
    if _cluster is None:
        _cluster = Cluster()
        atexit.register(_cluster.stop)
    return _cluster


def drop_databases(folder: Path) -> None:
    """Drop what was made in this folder: hundreds of databases would fill the disk."""
    for made in [made for made in _made if made.is_relative_to(folder)]:
        _made.pop(made).drop()


def why_not() -> str | None:
    """Say why a run cannot be what it was asked to be; None when it can."""
    if chosen() not in (SQLITE, POSTGRESQL, BOTH):
        return f"{CHOICE} must be {SQLITE}, {POSTGRESQL} or {BOTH}"
    if chosen() != SQLITE and not program("initdb"):
        return "this machine has no PostgreSQL server (Debian, Ubuntu: apt install postgresql)"
    return None
