"""Build a recipe once for its files, in the user's cache, and start it as its own process on a free port."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.architecture.checkout import ROOT
from tests.clients.building import Build, build_once
from tests.live import PATIENCE
from tests.machine import require_program
from tests.ports import free_port

FOLDER = ROOT / "scripts" / "resource_servers"
BUILDING = 900  # seconds, the first time with everything that it downloads
STARTING = 180  # seconds, for Java on a machine that does much else
OLDEST_GO = (1, 21)  # the first that fetches the newer one which a go.mod names
JWTS, OPAQUE = frozenset({"m2m", "exchanged", "delegated"}), frozenset({"pat", "api_key"})
JAVA = "src/main/java/orders"


@dataclass(frozen=True)
class Recipe:
    """How a recipe is built from its files and started, by programs of the PATH, and what it accepts."""

    files: tuple[str, ...]
    build: tuple[str, ...]
    start: tuple[str, ...]
    needs: tuple[str, ...]
    accepts: frozenset[str] = JWTS | OPAQUE
    by_status_list: frozenset[str] = frozenset()

    @property
    def takes_api_key_header(self) -> bool:
        """Whether X-API-Key is read, as by all that accept API keys."""
        return "api_key" in self.accepts


GO_BUILD = ("go", "build", "-o", "orders", ".")
RECIPES: Mapping[str, Recipe] = {
    "express": Recipe(
        files=("package.json", "package-lock.json", "server.mjs"),
        build=("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"),
        start=("node", "server.mjs"),
        needs=("node", "npm"),
        by_status_list=JWTS,
    ),
    "go_introspection": Recipe(
        files=("go.mod", "go.sum", "main.go"),
        build=GO_BUILD,
        start=("./orders",),
        needs=("go",),
    ),
    "go_oidc": Recipe(
        files=("go.mod", "go.sum", "main.go", "status_list.go"),
        build=GO_BUILD,
        start=("./orders",),
        needs=("go",),
        accepts=JWTS,
        by_status_list=JWTS,
    ),
    "rust": Recipe(
        files=("Cargo.toml", "Cargo.lock", "src/main.rs"),
        build=("cargo", "build", "--locked", "--quiet"),
        start=("target/debug/orders",),
        needs=("cargo",),
    ),
    "spring": Recipe(
        files=(
            "pom.xml",
            "src/main/resources/application.properties",
            f"{JAVA}/CredentialVerifier.java",
            f"{JAVA}/OneCredential.java",
            f"{JAVA}/OrdersApplication.java",
            f"{JAVA}/SecurityConfiguration.java",
            f"{JAVA}/StatusLists.java",
        ),
        build=("mvn", "--quiet", "--batch-mode", "package"),
        start=("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar", "target/orders.jar"),
        needs=("java", "mvn"),
        by_status_list=JWTS,
    ),
}
INSTALLED_BY_CI = frozenset({"node", "npm"})


def collected() -> list[str]:
    """Return the recipes to test: all whose programs are promised."""
    return [name for name, recipe in RECIPES.items() if all(is_promised(program) for program in recipe.needs)]


def is_promised(program: str) -> bool:
    """Return whether this machine, or a bare one after .ci/run, has a program that is new enough."""
    if program in INSTALLED_BY_CI:
        return True
    path = shutil.which(program)
    if path is None or program != "cargo":
        return path is not None and (program != "go" or go_version(Path(path)) >= OLDEST_GO)
    asked = subprocess.run([path, "--version"], capture_output=True)  # rustup's own cargo may have no toolchain
    return asked.returncode == 0


def go_version(program: Path) -> tuple[int, ...]:
    """Return the version of an installed Go, read from its own file."""
    file = program.resolve().parent.parent / "VERSION"
    found = re.match(r"go(\d+)\.(\d+)", file.read_text(encoding="utf-8")) if file.exists() else None
    return tuple(map(int, found.groups())) if found else (0,)


@contextmanager
def running(name: str, log: Path, settings: Mapping[str, str]) -> Iterator[httpx.Client]:
    """Build the recipe unless that was done, start it, and yield a client of it; stop it after the block."""
    recipe = RECIPES[name]
    for program in recipe.needs:
        require_program(program)
    folder = build_once(Build(FOLDER / name, recipe.files, recipe.build, BUILDING))
    with serving(recipe.start, folder, log, {**settings, "PORT": str(free_port())}) as http:
        yield http


@contextmanager
def serving(command: Sequence[str], folder: Path, log: Path, settings: Mapping[str, str]) -> Iterator[httpx.Client]:
    """Start a program that listens on the port of its settings, and yield a client of it; stop it after the block."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(log.parent), **settings}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{settings['PORT']}"
        with httpx.Client(base_url=url, timeout=30, trust_env=False, verify=False) as http:
            _wait(http, process, log)
            yield http
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()


def _wait(http: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline and process.poll() is None:
        try:
            http.get("/")
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(log.read_text(errors="replace")[-4000:])
