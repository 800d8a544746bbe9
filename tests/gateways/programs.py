"""Start a gateway by its recipe, as its own process on a free port, and the API behind it."""

import os
import pwd
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from typing import Any

import httpx

from tests.architecture.checkout import ROOT
from tests.gateways.traefik import find_traefik
from tests.live import PATIENCE
from tests.machine import lacking, require_program
from tests.ports import free_port

RECIPES = ROOT / "scripts" / "gateways"
MODULES = Path("/usr/lib/apache2/modules")
LOADED = (
    "mpm_event",
    "alias",
    "authn_core",
    "authz_core",
    "authz_user",
    "headers",
    "rewrite",
    "setenvif",
    "proxy",
    "proxy_http",
    "oauth2",
)


@dataclass
class Upstream:
    """The API behind the gateway: it records each request and returns it."""

    seen: list[dict[str, str]] = field(default_factory=list)
    sends: list[tuple[str, str]] = field(default_factory=list)
    address: str = ""

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["Upstream"]:
        upstream = cls()

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                upstream.seen.append({name.lower(): value for name, value in self.headers.items()})
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"the orders"
                self.send_response(200)
                for name, value in [("Content-Length", str(len(body))), *upstream.sends]:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body if self.command != "HEAD" else b"")

            def __getattr__(self, name: str) -> Callable[[], None]:
                """Answer every method alike, `options` and FOO too: what arrives is recorded."""
                if not name.startswith("do_"):
                    raise AttributeError(name)
                return self.do_GET

            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        upstream.address = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield upstream
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class Gateway:
    """A running gateway, with an HTTP client for it."""

    name: str
    http: httpx.Client


Command = Callable[[Path, Path, Mapping[str, str]], list[str]]


def nginx(recipes: Path, folder: Path, values: Mapping[str, str]) -> list[str]:
    """Fill in the recipe as envsubst does; nginx writes its other files to the folder."""
    config = folder / "nginx.conf"
    recipe = (recipes / "nginx.conf").read_text(encoding="utf-8")
    places = "".join(f"{it}_temp_path {folder}/{it};\n" for it in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    filled = (
        Template(recipe)
        .safe_substitute({"APP_ORIGIN": ""} | dict(values))
        .replace("http {\n", f"http {{\naccess_log off;\n{places}", 1)
    )
    me = pwd.getpwuid(os.getuid()).pw_name
    config.write_text(f"user {me};\n{filled}" if os.getuid() == 0 else filled, encoding="utf-8")
    settings = f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;"
    return [require_program("nginx"), "-p", str(folder), "-c", str(config), "-g", settings]


def apache(recipes: Path, folder: Path, values: Mapping[str, str]) -> list[str]:
    """Load the modules that a2enmod would, and include the recipe."""
    program = require_program("apache2", "httpd")
    recipe = recipes / "apache.conf"
    asks = "OAuth2" in recipe.read_text(encoding="utf-8")
    if asks and not (MODULES / "mod_oauth2.so").exists():
        lacking("mod_oauth2")
    config = folder / "apache.conf"
    lines = [f"ServerRoot {folder}", "ServerName localhost", f"PidFile {folder}/apache.pid", "Mutex sem"]
    lines += [f"DefaultRuntimeDir {folder}", f"ErrorLog {folder}/error.log", "ServerLimit 1", "ThreadsPerChild 16"]
    lines += [f"LoadModule {it}_module {MODULES}/mod_{it}.so" for it in LOADED if asks or it != "oauth2"]
    lines += ["User www-data", "Group www-data"] if os.getuid() == 0 else []
    config.write_text("\n".join([*lines, f"Include {recipe}", ""]), encoding="utf-8")
    return [program, "-f", str(config), "-DFOREGROUND"]


def caddy(recipes: Path, folder: Path, values: Mapping[str, str]) -> list[str]:
    """Run the recipe as it is."""
    return [require_program("caddy"), "run", "--adapter", "caddyfile", "--config", str(recipes / "Caddyfile")]


def haproxy(recipes: Path, folder: Path, values: Mapping[str, str]) -> list[str]:
    """Run the recipe as it is, each of its nodes being the same server."""
    nodes = {f"NODE_{number}": values.get("LATCHKEY", "") for number in (1, 2, 3)}
    own = nodes | {"BIND": "127.0.0.1:" + values["PORT"], "CONTROL": str(folder / "control")}
    set_ = [f"{name}={value}" for name, value in own.items()]
    return ["env", *set_, require_program("haproxy"), "-db", "-f", str(recipes / "haproxy.cfg")]


def haproxy_api(recipes: Path, folder: Path, values: Mapping[str, str]) -> list[str]:
    """Run the recipe as it is."""
    script = f"SCRIPT={recipes / 'forward_auth.lua'}"
    return ["env", script, require_program("haproxy"), "-db", "-f", str(recipes / "haproxy-api.cfg")]


def traefik(recipes: Path, folder: Path, values: Mapping[str, str]) -> list[str]:
    """Fill in the recipe as envsubst does; Traefik fills in the rules."""
    config = folder / "traefik.yml"
    recipe = Template((recipes / "traefik.yml").read_text(encoding="utf-8"))
    config.write_text(recipe.substitute(PORT=values["PORT"], RULES=recipes / "traefik-rules.yml"), encoding="utf-8")
    return [find_traefik() or lacking("traefik"), f"--configFile={config}"]


PROGRAMS: Mapping[str, Command] = {
    "nginx": nginx,
    "caddy": caddy,
    "apache": apache,
    "haproxy": haproxy,
    "haproxy-api": haproxy_api,
    "traefik": traefik,
}
# Traefik is not in every distribution: `python -m tests.gateways.traefik` builds it for this machine's user.
BY_FORWARD_AUTH = ("nginx", "caddy", "haproxy-api", *(["traefik"] if find_traefik() else []))
IN_FRONT_OF_APIS = (*BY_FORWARD_AUTH, "apache")


@contextmanager
def running(
    name: str, folder: Path, values: Mapping[str, str], recipes: Path = RECIPES, port: int = 0
) -> Iterator[Gateway]:
    """Start the gateway, at a free port if none is given, and wait until it responds; stop it after the block."""
    port = port or free_port()
    filled = dict(values) | {"PORT": str(port)}
    folder.mkdir()
    command = PROGRAMS[name](recipes, folder, filled)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_DATA_HOME": str(folder)} | filled
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=folder)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=15, trust_env=False, verify=False) as http:
            _wait(http, process, folder, (404,) if name == "traefik" else ())  # it listens before it has its rules
            yield Gateway(name, http)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
            shutil.rmtree(folder, ignore_errors=True)


def _wait(http: httpx.Client, process: subprocess.Popen[bytes], folder: Path, not_ready: tuple[int, ...]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.TransportError):
            if http.get("/").status_code not in not_ready:
                return
        time.sleep(0.05)
    raise AssertionError((folder / "output").read_text(errors="replace")[-2000:])
