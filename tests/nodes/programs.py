"""Start the programs of several nodes on one machine, check whether they are ready, and stop them by their pids."""

from __future__ import annotations

import contextlib
import csv
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests import fork_server
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
LATCHKEY = Path(sys.executable).with_name("latchkey")
BALANCER = ROOT / "scripts" / "gateways" / "haproxy.cfg"
NEEDED = {  # program: its package in Debian and Ubuntu
    "initdb": "postgresql",
    "redis-server": "redis-server",
    "haproxy": "haproxy",
    "setpriv": "util-linux",
}
PATIENCE = 60.0  # seconds for a program to start or end, or for a condition to hold
Json = dict[str, Any]


def program(name: str) -> str | None:
    """Return the path of a program, of PostgreSQL's in their newest version; None when it is not installed."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(places[-1]) if places else shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def wait_until(holds: Callable[[], object], what: str) -> float:
    """Wait until a condition holds, and return how many seconds that took; raises SystemExit after PATIENCE."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > PATIENCE:
            raise SystemExit(f"waited {PATIENCE:.0f} s in vain: {what}")
        time.sleep(0.01)
    return time.monotonic() - began


def ignore_signals() -> None:
    """Ignore Ctrl-C and SIGTERM from now on."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


class Program:
    """A process in its own session; the kernel interrupts it when this process is killed."""

    def __init__(self, command: list[str], log: Path, environment: Mapping[str, str], user: str = "") -> None:
        """Keep the command; with `user`, it runs as that user."""
        self._command = ["setpriv", "--pdeathsig=INT", *as_user(user), *command]
        self._log = log
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | fork_server.Forked | None = None

    @property
    def pid(self) -> int:
        """The pid of the process that was started last; 0 before the first start."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it, or start it again."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that Ctrl-C does not reach it
            )

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop the process and its children: cleanly with SIGINT, at once with SIGKILL."""
        if self._process is None or self._process.poll() is not None:
            return
        try:
            self.signal(number) if number == signal.SIGKILL else self._process.send_signal(number)
            self.signal(signal.SIGCONT)  # it may have been stopped with SIGSTOP
            self._process.wait(PATIENCE / 4)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self._process.wait(PATIENCE)

    def signal(self, number: int) -> None:
        """Send a signal to the process and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def died(self) -> bool:
        """Return whether the process has ended."""
        return self._process is not None and self._process.poll() is not None

    def end_of_log(self) -> str:
        """Return the end of its log."""
        return self._log.read_text(errors="replace")[-1500:]


class Node(Program):
    """A Latchkey server with its own port and instance folder; the nodes share all other settings."""

    def __init__(self, number: int, port: int, folder: Path, shared: Mapping[str, str]) -> None:
        self.name = f"node{number}"
        self.address = f"127.0.0.1:{port}"
        self.instance = folder / self.name
        own = {"LATCHKEY_INSTANCE_DIR": str(self.instance), "LATCHKEY_PORT": str(port)}
        self.environment = {**shared, **own}
        super().__init__([str(LATCHKEY), "serve"], folder / f"{self.name}.log", self.environment)
        self.http = httpx.Client(base_url=f"http://{self.address}", timeout=15, trust_env=False, verify=False)

    def start(self) -> None:
        """Start it, or start it again."""
        if fork_server.is_shared():
            self._process = fork_server.start(["serve"], self.environment, self._log, self._log)
        else:
            super().start()

    def init(self) -> subprocess.CompletedProcess[str]:
        """Run `latchkey init` with the settings of this node."""
        if fork_server.is_shared():
            return fork_server.run(["init"], self.environment)
        return subprocess.run([LATCHKEY, "init"], env=self.environment, capture_output=True, text=True)

    def was_first(self) -> bool:
        """Return whether this node set up the database."""
        return (self.instance / "bootstrap.json").exists()

    def answers(self) -> bool:
        """Return whether it is ready; raises SystemExit when it has ended."""
        if self.died():
            raise SystemExit(f"{self.name} did not start: {self.end_of_log()}")
        try:
            return self.http.get("/readyz").is_success
        except httpx.TransportError:
            return False


class PostgreSQL(Program):
    """A PostgreSQL server that is reached by a socket in its folder only."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder / "postgresql"
        self._folder.mkdir()
        self._user = "postgres" if os.getuid() == 0 else ""  # PostgreSQL refuses to run as root
        if self._user:
            shutil.chown(self._folder, self._user)
        data = str(self._folder / "data")
        chosen = ["-k", str(self._folder), "-c", "listen_addresses=", "-c", "max_connections=400"]
        command = [str(program("postgres")), "-D", data, *chosen]
        super().__init__(command, folder / "postgresql.log", environment, self._user)
        self._make([str(program("initdb")), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"])

    def _make(self, command: list[str]) -> None:
        initdb = Program(command, self._log, self._environment, self._user)
        initdb.start()
        try:
            wait_until(initdb.died, "initdb")
        finally:
            initdb.stop(signal.SIGKILL)

    def url(self, database: str, user: str = "latchkey") -> str:
        """Return the URL of a database."""
        return f"postgresql://{user}@/{database}?host={self._folder}"

    def ask(self, statement: str, database: str = "latchkey") -> list[tuple[Any, ...]]:
        """Run a statement as the administrator, and return its rows."""
        with psycopg.connect(self.url(database, "postgres"), autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def answers(self) -> bool:
        """Return whether it is ready; raises SystemExit when it has ended."""
        if self.died():
            raise SystemExit(f"PostgreSQL did not start: {self.end_of_log()}")
        try:
            return bool(self.ask("SELECT 1", "postgres"))
        except psycopg.OperationalError:
            return False


class Balancer(Program):
    """HAProxy with scripts/gateways/haproxy.cfg, a server line for each node, and a control socket."""

    def __init__(self, folder: Path, port: int, nodes: list[Node], environment: Mapping[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.control = folder / "haproxy.sock"
        places = {f"NODE_{number}": node.address for number, node in enumerate(nodes, 1)}
        own = {"BIND": f"127.0.0.1:{port}", "CONTROL": str(self.control), **places}
        config = folder / "haproxy.cfg"
        common, server, _ = BALANCER.read_text(encoding="utf-8").partition("    server ")
        lines = [f'{server}{node.name} "${{{place}}}"\n' for place, node in zip(places, nodes, strict=True)]
        config.write_text(common + "".join(lines), encoding="utf-8")  # for three nodes, the file is unchanged
        command = [str(program("haproxy")), "-f", str(config)]
        super().__init__(command, folder / "haproxy.log", {**environment, **own})
        self.http = httpx.Client(base_url=self.url, timeout=15, trust_env=False, verify=False)

    def servers(self) -> dict[str, Json]:
        """Return HAProxy's statistics of each node."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.control))
            control.sendall(b"show stat\n")
            said = b"".join(iter(lambda: control.recv(65_536), b"")).decode()
        rows = csv.DictReader(said.removeprefix("# ").splitlines())
        return {row["svname"]: row for row in rows if row["pxname"] == "latchkey" and row["svname"] != "BACKEND"}

    def has(self, node: Node) -> bool:
        """Return whether requests are sent to a node."""
        return str(self.servers()[node.name]["status"]).startswith("UP")

    def answers(self) -> bool:
        """Return whether requests are sent to every node; raises SystemExit when HAProxy has ended."""
        if self.died():
            raise SystemExit(f"HAProxy did not start: {self.end_of_log()}")
        try:
            return all(row["status"] == "UP" and row["check_status"] == "L7OK" for row in self.servers().values())
        except OSError:
            return False


def as_user(user: str) -> list[str]:
    """Return setpriv's options that run a command as a user."""
    return ["--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid), "--clear-groups"] if user else []


class Cluster:
    """All programs of a cluster."""

    def __init__(self, folder: Path, count: int, port: int | None) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LATCHKEY_")}
        self.folder = folder
        self.postgresql = PostgreSQL(folder, environment)
        socket_of_redis = str(folder / "redis.sock")
        redis = [str(program("redis-server")), "--port", "0", "--unixsocket", socket_of_redis, "--save", ""]
        self.redis = Program([*redis, "--dir", str(folder)], folder / "redis.log", environment)
        *ports, spare = (free_port() for _ in range(count + 1))
        shared = {
            "LATCHKEY_DATABASE_URL": self.postgresql.url("latchkey"),
            "LATCHKEY_REDIS_URL": f"unix://{socket_of_redis}",
            "LATCHKEY_ISSUER": f"http://127.0.0.1:{port or spare}",
            "LATCHKEY_SECRET_KEY": secrets.token_urlsafe(48),
            "LATCHKEY_TRUSTED_PROXIES": "127.0.0.1/32",
        }
        self.nodes = [Node(number, at, folder, environment | shared) for number, at in enumerate(ports, 1)]
        self.balancer = Balancer(folder, port or spare, self.nodes, environment)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Start all programs, the nodes at the same time; stop them in the opposite order."""
        with contextlib.ExitStack() as stack:
            try:
                self._start(stack)
                yield
            finally:
                ignore_signals()  # let nothing interrupt the stopping

    def _start(self, stack: contextlib.ExitStack) -> None:
        for one in (self.postgresql, self.redis):
            stack.callback(one.stop)
            one.start()
        wait_until(self.postgresql.answers, "PostgreSQL")
        self.postgresql.ask("CREATE ROLE latchkey LOGIN", "postgres")
        self.postgresql.ask("CREATE DATABASE latchkey OWNER latchkey", "postgres")
        for node in self.nodes:
            stack.callback(node.stop)
            node.start()
        for node in self.nodes:
            wait_until(node.answers, node.name)
        stack.callback(self.balancer.stop)
        self.balancer.start()
        wait_until(self.balancer.answers, "HAProxy")
