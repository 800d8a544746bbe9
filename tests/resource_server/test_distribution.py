"""The distribution `latchkey-resource-server`: built offline, installed alone, used without the server's code."""

import inspect
import json
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from app.resource_server import ResourceServer, cache, introspection_client, local_verification, proof
from tests.api import Admin, expect
from tests.architecture.checkout import ROOT, files_in
from tests.contract.world import KINDS, World, create_world

SOURCE = ROOT / "app/resource_server"
README = (SOURCE / "README.md").read_text(encoding="utf-8")
(SNIPPET,) = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
PATIENCE = 120.0  # seconds for a program to end, on a machine that does much else
PROGRAM = """
import json, sys
installed, site_packages, snippet, tokens = json.loads(sys.stdin.read())
sys.path[:0] = [installed, *site_packages]
exec(snippet)
client = app.test_client()
answers = [client.get("/orders", headers={"Authorization": f"Bearer {token}"}) for token in tokens]
print(json.dumps({
    "answers": [[answer.status_code, answer.json.get("for")] for answer in answers],
    "file": sys.modules["latchkey_resource_server"].__file__,
    "of the server": [name for name in sys.modules if name.partition(".")[0] == "app"],
    "could be imported": __import__("importlib.util").util.find_spec("app") is not None,
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
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=SOURCE)
    (built,) = folder.iterdir()
    return built


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
    assert not any("latchkey" in need for need in metadata.get_all("Requires-Dist", []))


def test_installed_alone_it_checks_each_kind_as_the_readme_says(wheel: Path, world: World, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    pip = (sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install", "--quiet")
    run(*pip, "--no-index", "--no-deps", "--target", installed, wheel, cwd=tmp_path)
    revoked = world.issue("pat").token
    expect(200, world.admin.revoke(revoked))
    tokens = [*(world.issue(kind).token for kind in KINDS), revoked, "garbage"]
    libraries = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    snippet = SNIPPET.replace("orders:read", world.read)
    identifier, secret = world.resource_server.basic
    printed = run(
        *(sys.executable, "-I", "-S", "-c", PROGRAM),  # -S: no .pth file puts this checkout on the path
        cwd=tmp_path,
        said=json.dumps([str(installed), libraries, snippet, tokens]),
        **{"URL": world.admin.issuer, "ORDERS": world.identifier, "ID": identifier, "SECRET": secret},
    )
    seen = json.loads(printed)
    callers = [[200, "personal_access_token"], [200, "api_key"], [200, world.client.client_id]]
    assert seen["answers"] == [*callers, [401, None], [401, None]]
    assert Path(seen["file"]).is_relative_to(installed)
    assert seen["of the server"] == [] and not seen["could be imported"]


def test_the_readme_names_every_argument_and_number() -> None:
    arguments = [name for name in inspect.signature(ResourceServer.__init__).parameters if name != "self"]
    assert [name for name in [*arguments, "verify"] if f"`{name}`" not in README] == []
    numbers = [
        f"{cache.MAX_ANSWERS:,} answers",
        f"{local_verification.KEYS_MAX_AGE} seconds: a revoked signing key",
        f"{2 * proof.MAX_AGE + 1} seconds",
        f"at most {proof.MAX_AGE} seconds",
        f"may take {introspection_client.TIMEOUT:.0f} seconds",
        ", ".join(list(proof.PROOF_KEYS)[:-1]),
    ]
    assert [number for number in numbers if number not in " ".join(README.split())] == []
