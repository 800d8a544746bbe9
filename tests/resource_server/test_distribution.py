"""Both distributions: built offline by scripts/package, each installed alone beside somebody else's package `app`."""

import inspect
import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from app.resource_server import Configuration, cache, errors, keys, proof, status_list
from tests.api import Admin, expect
from tests.architecture.checkout import ROOT, files_in
from tests.contract.world import KINDS, World, create_world
from tests.live import LiveServer

SOURCE = ROOT / "app/resource_server"
README = (SOURCE / "README.md").read_text(encoding="utf-8")
(SNIPPET,) = re.findall(r"^```python\n([^`]*from flask import.*?)^```", README, re.M | re.S)
PATIENCE = 120.0  # seconds for a program to end, on a machine that does much else
PROGRAM = """
import json, sys
import app as application
snippet, tokens = json.loads(sys.stdin.read())
exec(snippet)
client = app.test_client()
answers = [client.get("/orders", headers={"Authorization": f"Bearer {token}"}) for token in tokens]
print(json.dumps({
    "answers": [[answer.status_code, answer.json.get("for")] for answer in answers],
    "metadata": client.get("/.well-known/oauth-protected-resource").json["authorization_servers"],
    "file": sys.modules["latchkey_resource_server"].__file__,
    "of the server": [name for name in sys.modules if name.startswith("app.") or "authlib" in name],
    "application": application.NAME,
}))
"""


def run(*command: str | Path, cwd: Path, said: str = "", **settings: str) -> str:
    """Run a program to its end, and return what it printed."""
    done = subprocess.run(
        command, cwd=cwd, input=said, env=os.environ | settings, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels that the script makes, by the name of their distribution."""
    folder = tmp_path_factory.mktemp("dist")
    run(ROOT / "scripts/package", folder, cwd=folder)
    return {file.name.partition("-")[0]: file for file in folder.iterdir()}


@pytest.fixture(scope="module")
def wheel(wheels: dict[str, Path]) -> Path:
    return wheels["latchkey_resource_server"]


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel alone in a new environment, which sees the libraries of this one, and return its programs."""
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    libraries = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (site / "libraries.pth").write_text("\n".join(libraries))  # their own .pth files are not read
    pip = (sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", f"--python={folder}")
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", "--ignore-installed", wheel, cwd=folder)
    return folder / "bin"


@pytest.fixture(scope="module")
def server(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment in which the server is installed."""
    return install(wheels["latchkey"], tmp_path_factory.mktemp("server"))


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """A folder with somebody else's package `app`."""
    package = tmp_path / "project" / "app"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("NAME = 'theirs'\napplication = 'theirs'\ndef create_app(): return 'theirs'\n")
    return package.parent


@pytest.fixture(scope="module")
def world(admin: Admin) -> World:
    return create_world(admin)


def test_the_wheel_has_this_package_and_nothing_else(wheel: Path) -> None:
    modules = {file.name for file in files_in("app/resource_server", "*") if file.suffix in (".py", ".typed")}
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        licenses = [file.read(name).decode() for name in names if name.endswith("/LICENSE")]
    assert {name for name in names if ".dist-info/" not in name} == {f"latchkey_resource_server/{m}" for m in modules}
    assert licenses == [(ROOT / "LICENSE").read_text(encoding="utf-8")]


def test_the_wheel_says_what_it_is_and_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith("/METADATA"))
        metadata = Parser().parsestr(file.read(name).decode())
    assert (metadata["Name"], metadata["License-Expression"]) == ("latchkey-resource-server", "MIT")
    needs = [need for need in metadata.get_all("Requires-Dist", []) if "extra ==" not in need]
    assert [re.split(r"[^\w-]", need)[0] for need in needs] == ["httpx", "pyjwt"]
    assert metadata["Requires-Python"] == ">=3.10"


@pytest.mark.contract("both wheels install beside an application whose package is called `app`")
def test_installed_alone_it_checks_each_kind_as_the_readme_says(
    wheel: Path, world: World, tmp_path: Path, application: Path
) -> None:
    revoked = world.issue("pat").token
    expect(200, world.admin.revoke(revoked))
    tokens = [*(world.issue(kind).token for kind in KINDS), revoked, "garbage"]
    snippet = SNIPPET.replace("orders:read", world.read)
    identifier, secret = world.resource_server.basic
    (application / "program.py").write_text(PROGRAM)  # the folder of a program is first on its path
    printed = run(
        *(install(wheel, tmp_path / "environment") / "python", application / "program.py"),
        cwd=tmp_path,
        said=json.dumps([snippet, tokens]),
        **{"URL": world.admin.issuer, "ORDERS": world.identifier, "ID": identifier, "SECRET": secret},
    )
    seen = json.loads(printed)
    callers = [[200, "personal_access_token"], [200, "api_key"], [200, world.client.client_id]]
    assert seen["answers"] == [*callers, [401, None], [401, None]]
    assert seen["metadata"] == [world.admin.issuer]
    assert Path(seen["file"]).is_relative_to(tmp_path / "environment")
    assert seen["of the server"] == [] and seen["application"] == "theirs"


@pytest.mark.contract("both wheels install beside an application whose package is called `app`")
@pytest.mark.parametrize("arguments", [("--version",), ("serve",), ("user", "list")], ids=" ".join)
def test_the_command_ends_with_one_line_where_app_is_somebody_elses(
    server: Path, application: Path, arguments: tuple[str, ...]
) -> None:
    environ = os.environ | {"PYTHONPATH": str(application)}
    done = subprocess.run(
        [server / "latchkey", *arguments],
        cwd=application,
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert str(application / "app/__init__.py") in line and "environment of its own" in line


def test_the_command_notices_a_package_that_was_installed_over_it(
    wheels: dict[str, Path], application: Path, tmp_path: Path
) -> None:
    latchkey = install(wheels["latchkey"], tmp_path / "environment") / "latchkey"
    (ours,) = (tmp_path / "environment").glob("lib/*/site-packages/app/__init__.py")
    ours.write_text((application / "app/__init__.py").read_text())
    done = subprocess.run([latchkey, "serve"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    ours.unlink()
    done = subprocess.run([latchkey, "serve"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1


def test_the_server_starts_in_a_folder_with_somebody_elses_app(
    server: Path, application: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (application / "__init__.py").touch()  # the folder is a package itself
    monkeypatch.chdir(application)
    live = LiveServer(tmp_path / "instance")
    live.command = [str(server / "latchkey")]
    try:
        assert live.start().http.get("/readyz").status_code == 200
    finally:
        assert live.stop() == 0


def test_the_readme_names_every_argument_and_number() -> None:
    arguments = list(inspect.signature(Configuration).parameters)
    assert [name for name in arguments if f"`{name}`" not in README] == []
    numbers = [
        f"{cache.MAX_ANSWERS:,} answers",
        f"{keys.KEYS_MAX_AGE} seconds: a revoked signing key",
        f"once in {keys.UNKNOWN_KEY_PAUSE} seconds",
        f"{status_list.MAX_LISTS} lists of at most {status_list.MAX_BYTES:,} bytes",
        f"{2 * proof.MAX_AGE + 1} seconds",
        f"at most {proof.MAX_AGE} seconds",
        f"may take {Configuration.timeout:.0f} seconds",
        f"| {Configuration.max_stale:.0f} |",
        ", ".join(errors.PROOF_ALGORITHMS[:-1]),
    ]
    assert [number for number in numbers if number not in " ".join(README.split())] == []
