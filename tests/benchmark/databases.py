"""Where a data set is kept and copied: SQLite beside the server's other files, or a PostgreSQL server."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg import sql

from tests.benchmark import machine

PATIENCE = 60.0  # seconds for a start or a stop


class Database(Protocol):
    """A store of data sets, each with a name."""

    name: str

    def url(self, data_set: str) -> str:
        """Return the DATABASE_URL of a data set; an empty one means SQLite in the instance folder."""

    def make(self, data_set: str) -> None:
        """Make an empty database for a data set, and drop an earlier one."""

    def copy(self, data_set: str, to: str) -> None:
        """Copy `data_set` to `to`."""

    def drop(self, data_set: str) -> None:
        """Drop a data set."""

    def processes(self) -> list[int]:
        """Return the process ids of the database, or none if they are not visible."""

    def stop(self) -> None:
        """Stop what this object started."""


class Sqlite:
    """The database is a file of the instance folder, and is made, copied and dropped with it."""

    name = "sqlite"

    def url(self, data_set: str) -> str:
        """Return an empty URL: the default is SQLite in the instance folder."""
        return ""

    def make(self, data_set: str) -> None:
        """Do nothing."""

    def copy(self, data_set: str, to: str) -> None:
        """Do nothing."""

    def drop(self, data_set: str) -> None:
        """Do nothing."""

    def processes(self) -> list[int]:
        """Return none: SQLite runs in the process that uses it."""
        return []

    def stop(self) -> None:
        """Do nothing."""


class PostgreSQL:
    """Data sets as databases of one server, copied by TEMPLATE; `base` is the URL of a server that may make them."""

    name = "postgresql"

    def __init__(self, base: str) -> None:
        self.base = base

    def url(self, data_set: str) -> str:
        """Return the URL of this data set's database."""
        scheme, _, rest = self.base.partition("://")
        place, _, query = rest.partition("?")
        return f"{scheme}://{place.partition('/')[0]}/{_database_name(data_set)}" + (f"?{query}" if query else "")

    def make(self, data_set: str) -> None:
        """Drop the database and create it."""
        self.drop(data_set)
        self._execute("CREATE DATABASE {}", _database_name(data_set))

    def copy(self, data_set: str, to: str) -> None:
        """Create the database from a template."""
        self.drop(to)
        self._execute("CREATE DATABASE {} TEMPLATE {}", _database_name(to), _database_name(data_set))

    def drop(self, data_set: str) -> None:
        """Drop the database, even while clients are connected."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", _database_name(data_set))

    def processes(self) -> list[int]:
        """Return none: the server may run on another machine."""
        return []

    def stop(self) -> None:
        """Do nothing: the server ran before the benchmark."""

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.base, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


class OwnPostgreSQL(PostgreSQL):
    """A PostgreSQL server of the benchmark's own with its default settings, on the generator's cores."""

    def __init__(self, folder: Path, cores: machine.Cores) -> None:
        """Make the cluster if it is missing, and start the server; raise SystemExit if that fails."""
        self._sockets = tempfile.mkdtemp(prefix="latchkey-bench-")
        self._owner = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        super().__init__(f"postgresql://{self._owner}@/postgres?host={self._sockets}")
        try:
            self._folder = self._initialize(folder)
            self._process = self._start(cores)
        except BaseException:
            shutil.rmtree(self._sockets, ignore_errors=True)
            raise

    def url(self, data_set: str) -> str:
        """Return the URL of this data set's database."""
        return f"postgresql://{self._owner}@/{_database_name(data_set)}?host={self._sockets}"

    def processes(self) -> list[int]:
        """Return the process ids of the server and its children."""
        return machine.family(self._process.pid)

    def stop(self) -> None:
        """Stop the server by SIGINT, PostgreSQL's fast shutdown."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _initialize(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for place in (folder, self._sockets):
            shutil.chown(place, self._owner)
        if not (folder / "PG_VERSION").exists():
            options = ["-U", self._owner, "-A", "trust", "-E", "UTF8", "--locale=C"]
            done = self._run([_program("initdb"), "-D", str(folder), *options])
            if done.returncode:
                raise SystemExit(f"initdb: {done.stderr.strip()[-300:]}")
        return folder

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, user=self._owner, cwd="/", capture_output=True, text=True, check=False)

    def _start(self, cores: machine.Cores) -> subprocess.Popen[bytes]:
        command = [_program("postgres"), "-D", str(self._folder), "-k", self._sockets, "-c", "listen_addresses="]
        quiet = subprocess.DEVNULL
        command = machine.pin(command, cores.generator)
        process = subprocess.Popen(command, user=self._owner, cwd="/", stdout=quiet, stderr=quiet, process_group=0)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            try:
                psycopg.connect(self.base, connect_timeout=5).close()
                return process
            except psycopg.OperationalError:
                time.sleep(0.1)
        process.kill()
        raise SystemExit(f"PostgreSQL did not start in {self._folder}")


def open_database(wanted: str, bench: Path, cores: machine.Cores) -> Database:
    """Return the database that `--database` names: sqlite, postgresql (a server of our own) or postgresql://…"""
    if wanted == "sqlite":
        return Sqlite()
    return PostgreSQL(wanted) if "://" in wanted else OwnPostgreSQL(bench / "postgresql-server", cores)


def _database_name(data_set: str) -> str:
    return "latchkey_bench_" + data_set.replace("-", "_")


def _program(name: str) -> str:
    there = [shutil.which(name), *sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)]
    for path in filter(None, there):
        return path
    raise SystemExit(f"--database postgresql needs PostgreSQL's {name}, or the URL of a server: postgresql://…")
