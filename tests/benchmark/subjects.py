"""The subjects: Latchkey on each data set, a bare Flask route, and the peers that this machine can run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.database.engines import THREADS
from tests.benchmark import rows
from tests.benchmark.dataset import ISSUER, LATCHKEY, DataSet, environment
from tests.benchmark.load import Plan
from tests.benchmark.machine import Cores
from tests.benchmark.servers import Server

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).with_name("peers")
SERVE = Path(__file__).with_name("serve.py")
INSTALLING = 180  # seconds that npm may take


class Absent(Exception):
    """A peer cannot run on this machine; the message names the reason, in one line."""


@dataclass
class Subject:
    """A server and its plans. `size` is the number of credentials in its data set, 0 without a data set."""

    name: str
    size: int
    server: Server
    plans: Callable[[], Mapping[str, Plan]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stage:
    """The settings that all subjects share."""

    bench: Path
    run: Path  # a folder that is deleted after the run
    cores: Cores
    workers: int
    threads: int
    distinct: int

    def latchkey(self, data_set: DataSet) -> Subject:
        """Make the server of a copy of a data set."""
        program = [str(LATCHKEY)] if self.threads == THREADS else [sys.executable, str(SERVE), str(self.threads)]
        return self._latchkey("latchkey", data_set, self.run / data_set.name, program)

    def earlier(self, checkout: Path, data_set: DataSet) -> Subject:
        """Make the server of another checkout, which has an environment of its own, on a copy of a data set."""
        program = [str(checkout.absolute() / ".venv" / "bin" / "latchkey")]
        return self._latchkey(rows.EARLIER, data_set, self.run / f"{data_set.name}-{rows.EARLIER}", program)

    def _latchkey(self, name: str, data_set: DataSet, instance: Path, program: Sequence[str]) -> Subject:
        env = environment(instance, data_set.copy(instance))
        command = [*program, "serve", "--port", "{port}", "--workers", str(self.workers)]
        server = Server(f"{name}-{data_set.size}", command, env, self.cores.servers, self._log(instance.name))
        return Subject(name, data_set.size, server, lambda: rows.of_latchkey(data_set, _admin(instance, server)))

    def bare_flask(self, data_set: DataSet) -> Subject:
        """Make the bare Flask route under the same server."""
        server = self._granian(rows.BARE, "tests.benchmark.peers.bare_flask:app", {})
        return Subject(rows.BARE, 0, server, lambda: rows.of_bare_flask(data_set))

    def authlib(self) -> Subject:
        """Make Authlib's server with its database."""
        folder = self.run / rows.AUTHLIB
        folder.mkdir(mode=0o700)
        added = {"LATCHKEY_PEER_DATABASE": str(folder / "authlib.db"), "AUTHLIB_INSECURE_TRANSPORT": "1"}
        fill = [sys.executable, "-m", "tests.benchmark.peers.authlib_documented", str(self.distinct), str(folder)]
        done = subprocess.run(fill, cwd=ROOT, env=dict(os.environ) | added, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Absent(_last_line(done.stderr))
        target = "tests.benchmark.peers.authlib_documented:create_app"
        server = self._granian(rows.AUTHLIB, target, added, "--factory")
        return Subject(rows.AUTHLIB, 0, server, lambda: rows.of_authlib(folder))

    def node(self) -> Subject:
        """Make node-oidc-provider, and install it if it is missing; raise Absent."""
        installed, folder = _install_peer(self.bench / "peers"), self.run / rows.NODE
        folder.mkdir(mode=0o700)
        command = ["node", "server.mjs", "{port}", str(self.distinct), str(folder)]
        env = {"PATH": os.environ["PATH"], "NODE_ENV": "production"}
        health = "/.well-known/openid-configuration"
        server = Server(rows.NODE, command, env, self.cores.servers, self._log(rows.NODE), health, installed)
        return Subject(rows.NODE, 0, server, lambda: rows.of_node(folder))

    def _granian(self, name: str, target: str, added: Mapping[str, str], *more: str) -> Server:
        command = [str(LATCHKEY.with_name("granian")), "--interface", "wsgi", "--http", "1", "--no-ws"]
        command += ["--host", "127.0.0.1", "--port", "{port}", "--workers", str(self.workers)]
        command += ["--blocking-threads", str(self.threads), "--log-level", "error", *more, target]
        env = dict(os.environ) | dict(added)
        return Server(name, command, env, self.cores.servers, self._log(name), folder=ROOT)

    def _log(self, name: str) -> Path:
        return self.run / f"{name}.log"


def _admin(instance: Path, server: Server) -> str:
    """Request a token that may create credentials, as the first client."""
    first = json.loads((instance / "bootstrap.json").read_text(encoding="utf-8"))
    grant = {"grant_type": "client_credentials", "scope": "manage", "resource": f"{ISSUER}/api/v1"}
    basic = (first["client_id"], first["client_secret"])
    with httpx.Client(auth=basic, trust_env=False, verify=False) as http:  # a TLS context costs 50 ms of CPU
        answer = http.post(f"{server.url}/oauth/token", data=grant)
    return str(answer.raise_for_status().json()["access_token"])


def _install_peer(folder: Path) -> Path:
    """Install the peer as its lock file says, and return its folder; raise Absent."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            raise Absent(f"no {program} on this machine")
    files = sorted((PEERS / "node-oidc-provider").iterdir())
    wanted = folder / f"{rows.NODE}-{hashlib.sha256(b''.join(f.read_bytes() for f in files)).hexdigest()[:12]}"
    if not wanted.is_dir():
        making = folder / f"making-{os.getpid()}"
        making.mkdir(parents=True)
        try:
            for file in files:
                shutil.copy(file, making)
            _npm_ci(making)
            making.rename(wanted)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return wanted


def _npm_ci(folder: Path) -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALLING, check=False)
    except subprocess.TimeoutExpired:
        raise Absent("npm did not come to an end") from None
    if done.returncode:
        raise Absent(f"npm ci: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it ended without a message"])[-1][:200]
