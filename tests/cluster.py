"""A PostgreSQL of our own for the life of the test process: fast, not durable, reachable by its socket only."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

INSTALLED = Path("/usr/lib/postgresql")  # where Debian and Ubuntu keep it, a folder a version
PATIENCE = 30.0  # seconds for its start or its stop
OWNER = "latchkey"  # owns the databases and has no rights besides, as in a real set-up
ADMIN = "postgres"
EMPTY = "template1"
FORGETFUL = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=400")


def program(name: str) -> str | None:
    """Return the path of a PostgreSQL program of the newest installed version, or None."""
    versions = sorted(INSTALLED.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(versions[-1]) if versions else shutil.which(name)


class Cluster:
    """A running PostgreSQL; `url` names one of its databases."""

    settings: tuple[str, ...] = FORGETFUL

    def __init__(self, within: Path | None = None) -> None:
        """Make the cluster in a folder of its own (below `within`, if given), and wait until it answers."""
        self.folder = Path(tempfile.mkdtemp(prefix="latchkey-pg-", dir=within))
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            user = pwd.getpwnam(ADMIN)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self._make()
        self._process = self._start()
        self._admin = self._first_connection()
        self.execute(f"CREATE ROLE {OWNER} LOGIN")

    def url(self, name: str, user: str = OWNER) -> str:
        """Return the URL of a database."""
        return f"postgresql://{user}@/{name}?host={self.folder}"

    def create(self, name: str, template: str = EMPTY) -> None:
        """Make an empty database, or a copy of another."""
        strategy = "STRATEGY FILE_COPY" if self._admin.info.server_version >= 150_000 else ""  # costs half as much
        self.execute(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template} {strategy}")

    def drop(self, name: str) -> None:
        """Drop a database, even while clients are connected."""
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def connect(self, name: str) -> psycopg.Connection:
        """Connect to a database as the superuser; each statement is a transaction."""
        return psycopg.connect(self.url(name, ADMIN), autocommit=True)

    def execute(self, statement: str) -> None:
        """Run one statement as the superuser, outside our databases."""
        self._admin.execute(statement.encode())

    def end_connections(self, name: str) -> None:
        """End all connections to a database and wait for that: otherwise they answer for another moment."""
        each = (
            f"SELECT pg_terminate_backend(pid, {int(1000 * PATIENCE)}) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
        )
        self.execute(each)

    def stop(self) -> None:
        """End the server by its own pid and delete its folder."""
        self._admin.close()
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make(self) -> None:
        initdb = str(program("initdb"))
        options = ["--auth=trust", f"--username={ADMIN}", "--encoding=UTF8", "--locale=C", "--no-sync"]
        helped = subprocess.run([initdb, "--help"], capture_output=True, text=True, check=True).stdout
        if "--icu-locale" in helped:  # text sorts as in most set-ups: not by its bytes
            options += ["--locale-provider=icu", "--icu-locale=en-US"]
        command = [*unprivileged(), initdb, f"--pgdata={self.folder / 'data'}", *options]
        subprocess.run(command, capture_output=True, check=True, cwd="/")

    def _start(self) -> subprocess.Popen[bytes]:
        chosen = [*self.settings, "listen_addresses=", f"unix_socket_directories={self.folder}"]
        command = [*unprivileged("--pdeathsig=INT"), str(program("postgres")), "-D", str(self.folder / "data")]
        command += [part for setting in chosen for part in ("-c", setting)]
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")

    def _first_connection(self) -> psycopg.Connection:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.connect("postgres")
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    said = (self.folder / "log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL did not start\n{said[-4000:]}") from None
                time.sleep(0.05)


def unprivileged(*options: str) -> list[str]:
    """Return the prefix that starts a command as ADMIN; with `--pdeathsig` it ends when this process dies."""
    user = ["--reuid", ADMIN, "--regid", ADMIN, "--clear-groups"] if os.getuid() == 0 else []
    return ["setpriv", *user, *options] if user or options else []
