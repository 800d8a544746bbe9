"""A real pgbouncer before a test cluster: on a free port of 127.0.0.1, ended by its own pid."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.cluster import ADMIN, OWNER, Cluster, unprivileged
from tests.machine import require_program
from tests.ports import free_port

PATIENCE = 10.0  # seconds for its start or its stop
CONFIGURATION = """\
[databases]
* = host={socket} user={owner}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 400
"""


class Pgbouncer:
    """One pooler; `url` names a database behind it."""

    def __init__(self, cluster: Cluster, mode: str, size: int) -> None:
        """Write the configuration, start it and wait until it accepts connections."""
        program = require_program("pgbouncer")
        self._folder = Path(tempfile.mkdtemp(prefix="latchkey-pgbouncer-"))
        self._port = free_port()
        users = self._folder / "users.txt"
        users.write_text(f'"{OWNER}" ""\n')
        values = {"owner": OWNER, "port": self._port, "users": users, "mode": mode, "size": size}
        ini = self._folder / "pgbouncer.ini"
        ini.write_text(CONFIGURATION.format(socket=cluster.folder, **values))
        if os.getuid() == 0:  # pgbouncer refuses to run as root
            for path in (self._folder, users, ini):
                os.chown(path, pwd.getpwnam(ADMIN).pw_uid, -1)
        command = [*unprivileged("--pdeathsig=TERM"), program, "-q", str(ini)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        self._wait()

    def url(self, name: str) -> str:
        """Return the URL of a database behind the pooler."""
        return f"postgresql://{OWNER}@127.0.0.1:{self._port}/{name}"

    def stop(self) -> None:
        """End the process and delete its files."""
        self._process.kill()
        self._process.wait(PATIENCE)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError("pgbouncer did not start") from None
                time.sleep(0.02)


@contextmanager
def running_pgbouncer(cluster: Cluster, mode: str = "transaction", size: int = 2) -> Iterator[Pgbouncer]:
    """Yield a running pooler that keeps at most `size` connections to a database."""
    pooler = Pgbouncer(cluster, mode, size)
    try:
        yield pooler
    finally:
        pooler.stop()
