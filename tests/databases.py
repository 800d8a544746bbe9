"""The databases of a run: SQLite files, databases of a cluster (TEST_DATABASE=postgresql), or `both`.

A test does not depend on the choice: it takes the database of its folder and uses SQL that both understand.
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

from app.database.postgresql import prepare_connections
from tests.cluster import EMPTY, Cluster, program
from tests.database_copies import Copies

CHOICE = "TEST_DATABASE"
SQLITE, POSTGRESQL, BOTH = "sqlite", "postgresql", "both"
Shared = TypeVar("Shared")
_cluster: Cluster | None = None
_made: dict[Path, "Database"] = {}


class Database(ABC):
    """The database of one folder: its contents, and the settings that name it."""

    def __init__(self, folder: Path) -> None:
        """Take the folder of an instance; the database is empty."""
        self.folder = folder
        self._engine: Engine | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL for SQLAlchemy."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The settings by which a server or a command finds the database."""

    @abstractmethod
    def copy_to(self, folder: Path) -> None:
        """Copy this database to another folder; nothing may be connected to this one."""

    @abstractmethod
    def clone_to(self, folder: Path) -> None:
        """Copy this database to another folder for a server, which may alter its tables."""

    @abstractmethod
    def dump(self) -> bytes:
        """Return all stored bytes, to search them for secrets."""

    @abstractmethod
    def drop(self) -> None:
        """Drop the database."""

    def execute(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Run one statement (`:name` stands for a value), commit, and return its rows."""
        with self.engine().begin() as connection:
            done = connection.execute(text(statement), values)
            return [tuple(row) for row in done] if done.returns_rows else []

    def engine(self) -> Engine:
        """Return the engine that keeps no connection; another one would ask again what the server can do."""
        if self._engine is None:
            self._engine = create_engine(self.url, poolclass=NullPool)
        return self._engine


class SqliteDatabase(Database):
    """The file latchkey.db, where a server puts it by default."""

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder.absolute() / 'latchkey.db'}"

    @property
    def settings(self) -> dict[str, Any]:
        return {}  # the file is where the default setting expects it

    def copy_to(self, folder: Path) -> None:
        shutil.copy(self.folder / "latchkey.db", folder / "latchkey.db")

    def clone_to(self, folder: Path) -> None:
        self.copy_to(folder)
        (folder / "latchkey.db").chmod(0o600)

    def dump(self) -> bytes:
        """Return the bytes of the file and of its log: they may still contain deleted rows."""
        file, log = self.folder / "latchkey.db", self.folder / "latchkey.db-wal"
        return file.read_bytes() + (log.read_bytes() if log.exists() else b"")

    def drop(self) -> None:
        """Do nothing: pytest deletes its folders."""


class PostgresqlDatabase(Database):
    """A database of this process' cluster, named after the folder."""

    def __init__(self, folder: Path, template: str = EMPTY) -> None:
        super().__init__(folder)
        self._copies: Copies | None = None
        self.name = f"test_{sha256(str(folder).encode()).hexdigest()[:20]}"
        cluster().create(self.name, template)

    @property
    def url(self) -> str:
        return cluster().url(self.name).replace("postgresql:", "postgresql+psycopg:")

    @property
    def settings(self) -> dict[str, Any]:
        return {"database_url": cluster().url(self.name)}

    def copy_to(self, folder: Path) -> None:
        if self._copies is None:
            self._copies = Copies(cluster(), self.name)
        _made[folder] = CopiedDatabase(folder, self._copies)

    def clone_to(self, folder: Path) -> None:
        _made[folder] = PostgresqlDatabase(folder, self.name)

    def dump(self) -> bytes:
        """Return every value of every row."""
        engine, tables = self.engine(), MetaData()
        tables.reflect(engine)
        with engine.connect() as connection:
            rows = [row for table in tables.sorted_tables for row in connection.execute(table.select())]
        return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)

    def drop(self) -> None:
        cluster().drop(self.name)


class CopiedDatabase(PostgresqlDatabase):
    """A copy of another database."""

    def __init__(self, folder: Path, copies: Copies) -> None:
        Database.__init__(self, folder)
        self._copies, self._origin, self._copy = None, copies, copies.take()
        self.name = self._copy.name
        prepare_connections(self.engine())  # they can be reused

    def drop(self) -> None:
        self._origin.give_back(self._copy)


def database_in(folder: Path) -> Database:
    """Return the database of an instance folder; the first call makes it, empty."""
    if folder not in _made:
        _made[folder] = PostgresqlDatabase(folder) if chosen() == POSTGRESQL else SqliteDatabase(folder)
    return _made[folder]


def has_database(folder: Path) -> bool:
    """Return whether the database of an instance folder was made."""
    return folder in _made or (folder / "latchkey.db").exists()


def chosen() -> str:
    """Return the name of the databases of this run or, when it is on both, of the test that runs."""
    return os.environ.get(CHOICE) or SQLITE


def module_of(nodeid: str) -> str:
    """Return the part of a test's name that names its module: its file, and perhaps `::postgresql`."""
    file, _, name = nodeid.partition("::")
    return f"{file}::{POSTGRESQL}" if name.startswith(f"{POSTGRESQL}::") else file


@contextmanager
def per_database(make: Callable[[], AbstractContextManager[Shared]]) -> Iterator[Callable[[], Shared]]:
    """Yield a function that returns one object for each kind of database: made when needed, closed at the end."""
    made: dict[str, Shared] = {}
    with ExitStack() as stack:

        def get() -> Shared:
            if chosen() not in made:
                made[chosen()] = stack.enter_context(make())
            return made[chosen()]

        yield get


def cluster() -> Cluster:
    """Return the cluster of this process; the first call starts it."""
    global _cluster
    if _cluster is None:
        _cluster = Cluster()
        atexit.register(_cluster.stop)
    return _cluster


def drop_databases(folder: Path) -> None:
    """Drop the databases of this folder: hundreds of them would fill the disk."""
    for made in [made for made in _made if made.is_relative_to(folder)]:
        _made.pop(made).drop()


def why_not() -> str | None:
    """Return why the chosen databases cannot be used, or None."""
    if chosen() not in (SQLITE, POSTGRESQL, BOTH):
        return f"{CHOICE} must be {SQLITE}, {POSTGRESQL} or {BOTH}"
    if chosen() != SQLITE and not program("initdb"):
        return "this machine has no PostgreSQL server (Debian, Ubuntu: apt install postgresql)"
    return None
