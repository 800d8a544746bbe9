"""Several nodes on one PostgreSQL and one Redis behind HAProxy, and the faults that tests cause."""

import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg

from tests.cluster import ADMIN, OWNER, Cluster, program
from tests.live import PATIENCE, LiveServer
from tests.machine import lacking, require_program
from tests.ports import free_port

DATABASE = "latchkey"
BALANCER = """\
defaults
    mode http
    timeout connect 500ms
    timeout client 10s
    timeout server 3s
    timeout check 500ms
    retries 3
    option redispatch 1
frontend all
    bind 127.0.0.1:{port}
    default_backend nodes
backend nodes
    balance roundrobin
    option httpchk GET /healthz
    default-server inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions
"""


class Restartable(Cluster):
    """A PostgreSQL that can be ended and started again with all it holds; the thread that starts it must outlive it."""

    def restart(self) -> None:
        """Restart with a fast shutdown, which closes every connection."""
        self._admin.close()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE)
        self._process = self._start()
        self._admin = self._first_connection()


class Nodes:
    """`servers` behind a balancer at `url`; call everything from the thread that made it."""

    def __init__(self, folder: Path, count: int) -> None:
        """Start all of it: the database, Redis, `count` servers with folders of their own, HAProxy before them."""
        self._haproxy, self._redis_server = require_program("haproxy"), require_program("redis-server")
        program("initdb") or lacking("PostgreSQL server")
        self._folder = folder
        self._redis_port, port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._balancer: subprocess.Popen[bytes] | None = None
        self._redis: subprocess.Popen[bytes] | None = None
        self.servers: list[LiveServer] = []
        self.cluster = Restartable()
        try:
            self._start(count, port)
        except BaseException:
            self.stop()
            raise

    @property
    def targets(self) -> dict[str, str]:
        """The name and the URL of the balancer and of each node."""
        return {"balancer": self.url} | {f"node {number}": server.url for number, server in enumerate(self.servers)}

    def kill(self, number: int) -> None:
        """End a node at once (SIGKILL)."""
        self.servers[number].kill()

    def restart(self, number: int) -> None:
        """Start a node that was killed, and wait until it answers."""
        self.servers[number].start()

    def pause(self, number: int) -> None:
        """Stop a node (SIGSTOP), with its connections open."""
        os.killpg(self.servers[number].pid, signal.SIGSTOP)

    def resume(self, number: int) -> None:
        """Continue a stopped node (SIGCONT)."""
        os.killpg(self.servers[number].pid, signal.SIGCONT)

    def restart_postgresql(self) -> None:
        """Close every connection to the database, and wait until it answers again."""
        self.cluster.restart()

    def start_redis(self) -> None:
        """Start Redis, empty, and wait until it takes connections."""
        kept_nowhere = ["--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        command = [self._redis_server, "--bind", "127.0.0.1", "--port", str(self._redis_port), *kept_nowhere]
        self._redis = self._process("redis", command)
        _until_listening(self._redis_port)

    def stop_redis(self) -> None:
        """End Redis; its counters are lost."""
        _end(self._redis)

    def watched(self, tables: str, *, by: bool) -> None:
        """Break the invalidation, or mend it: whether a change of these tables (a LIKE pattern) moves the epoch."""
        with psycopg.connect(self.cluster.url(DATABASE, ADMIN), autocommit=True) as connection:
            query = "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE %s"
            found = connection.execute(query, [f"authority\\_{tables}"]).fetchall()
            assert found, "the triggers have other names now"
            for trigger, table in found:
                connection.execute(f"ALTER TABLE {table} {'ENABLE' if by else 'DISABLE'} TRIGGER {trigger}".encode())

    def stop(self) -> None:
        """End each program by its own pid, and delete the database."""
        _end(self._balancer)
        for server in self.servers:
            server.kill()
        _end(self._redis)
        self.cluster.stop()

    def _start(self, count: int, port: int) -> None:
        self.cluster.create(DATABASE)
        self.start_redis()
        settings = {
            "database_url": self.cluster.url(DATABASE, OWNER),
            "redis_url": f"redis://127.0.0.1:{self._redis_port}/0",
            "issuer": self.url,
            "secret_key": "the same on every node: " + "k" * 32,
        }
        self.servers = [LiveServer(self._folder / f"node{number}", settings) for number in range(count)]
        first, *others = self.servers
        first.start()  # makes the first credentials; the others find them made
        with ThreadPoolExecutor(count) as starting:
            list(starting.map(LiveServer.start, others))
        self._start_balancer(port)

    def _start_balancer(self, port: int) -> None:
        config = self._folder / "haproxy.cfg"
        servers = [f"    server node{n} 127.0.0.1:{server.port} check\n" for n, server in enumerate(self.servers)]
        config.write_text(BALANCER.format(port=port) + "".join(servers), encoding="utf-8")
        self._balancer = self._process("haproxy", [self._haproxy, "-db", "-f", str(config)])
        _until_listening(port)
        assert httpx.get(f"{self.url}/healthz", trust_env=False, verify=False).status_code == 200

    def _process(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.output").open("ab") as output:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        process.kill()
        process.wait(PATIENCE)


def _until_listening(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"nothing listens on {port}"
            time.sleep(0.02)
