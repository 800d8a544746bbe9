"""The section "From your code" of README.md beside it: each block runs as a reader pastes it.

Before it, "First credentials" of the README was pasted in the same terminal. Shell blocks of the section are marked
`bash`, not `sh`, because they need the API that is started here.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests import fork_server
from tests.live import COMMAND, PATIENCE, LiveServer, environment
from tests.machine import require_program
from tests.ports import free_port

HERE = Path(__file__).parent
BEFORE = (HERE.parents[1] / "README.md").read_text(encoding="utf-8")
REST = (HERE / "README.md").read_text(encoding="utf-8").partition("\n## From your code\n")[2]
FIRST_CREDENTIALS = re.findall(r"^```sh\n(.*?)^```", BEFORE, re.M | re.S)[:2]  # a person takes part in the others
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", REST.partition("\n## ")[0], re.M | re.S)
RENEWED = """
api.token["expires_at"] = 1
assert api.get(f"{env['API']}/orders").status_code == 200 and api.token["access_token"] != token
"""
Exported = dict[str, str]


def block(language: str, mark: str) -> str:
    """Return the section's only block of the language that contains `mark`."""
    [found] = [text for known, text in BLOCKS if known == language and mark in text]
    return str(found)


def run(command: list[str | Path], exported: Mapping[str, str], folder: Path, stdin: str | None = None) -> str:
    done = subprocess.run(
        command, env=dict(exported), cwd=folder, input=stdin, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    """The environment of a program started in the terminal where "First credentials" and the export were pasted."""
    server = LiveServer(tmp_path_factory.mktemp("reader") / "instance").start()
    export, start = block("bash", "export ").splitlines()
    assert start == "flask --app orders run --port 8081 &"
    pasted = "\n".join(["set -euo pipefail", *FIRST_CREDENTIALS, export, 'echo; KEY="$KEY" env -0'])
    for written, real in (("8081", str(free_port())), ("127.0.0.1:8080", server.url.removeprefix("http://"))):
        pasted = pasted.replace(written, real)
    settings = environment(server.instance, {"port": str(server.port)})
    fork_server.make_command(server.instance.parent / ".venv" / "bin")
    printed = run(["bash", "-c", pasted], settings, server.instance.parent)
    yield dict(line.split("=", 1) for line in printed.rpartition("\n\n")[2].split("\0") if line)
    server.stop()


@pytest.fixture(scope="module")
def key(reader: Exported) -> str:
    """The API key of "First credentials", which no snippet may receive."""
    return reader.pop("KEY")


@pytest.fixture(scope="module")
def orders(reader: Exported, key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of the section, started as the section says; yields its URL."""
    folder = tmp_path_factory.mktemp("orders")
    (folder / "orders.py").write_text(block("python", "flask"), encoding="utf-8")
    command = [str(COMMAND.with_name("flask")), "--app", "orders", "run", "--port", reader["API"].rpartition(":")[2]]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, env=reader, cwd=folder, stderr=log) as api:
        try:
            wait_for(reader["API"], api, folder / "log")
            yield f"{reader['API']}/orders"
        finally:
            api.terminate()


def wait_for(url: str, api: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    with httpx.Client(trust_env=False, verify=False) as http:
        while time.monotonic() < deadline and api.poll() is None:
            try:
                http.get(url)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
    raise AssertionError(f"the API did not start\n{log.read_text(encoding='utf-8')}")


def assert_told(printed: str, client_id: str, introspects: bool = True) -> None:
    """Assert that the API names the caller, and that introspection reports an active token."""
    assert "three apples" in printed and client_id in printed
    assert bool(re.search(r"\bactive\W+true\b", printed, re.I)) is introspects, printed


def test_the_api_takes_a_key_and_refuses_who_has_nothing(orders: str, key: str) -> None:
    with httpx.Client(trust_env=False) as http:
        assert http.get(orders).status_code == 401
        assert http.get(orders, headers={"X-API-Key": key}).json() == {"orders": ["three apples"], "for": "api_key"}


def test_curl_calls_the_api(orders: str, reader: Exported, tmp_path: Path) -> None:
    require_program("curl")
    snippet = "set -euo pipefail\n" + block("bash", "curl ")
    assert_told(run(["bash", "-c", snippet], reader, tmp_path), reader["ID"])


@pytest.mark.parametrize(
    ("library", "introspects"), [("import httpx", True), ("from authlib", True), ("from requests_oauthlib", False)]
)
def test_python_calls_the_api(orders: str, reader: Exported, tmp_path: Path, library: str, introspects: bool) -> None:
    printed = run([sys.executable, "-"], reader, tmp_path, block("python", library))
    assert_told(printed, reader["ID"], introspects)


def test_authlib_renews_an_expired_token(orders: str, reader: Exported, tmp_path: Path) -> None:
    run([sys.executable, "-"], reader, tmp_path, block("python", "from authlib") + RENEWED)


def test_node_calls_the_api(orders: str, reader: Exported, tmp_path: Path, folder: Path) -> None:
    (tmp_path / "node_modules").symlink_to(folder / "node_modules")
    (tmp_path / "snippet.mjs").write_text(block("js", "openid-client"), encoding="utf-8")
    assert_told(run([require_program("node"), "snippet.mjs"], reader, tmp_path), reader["ID"])


def test_each_block_of_the_section_is_run() -> None:
    assert [language for language, _ in BLOCKS] == ["python", "bash", "bash", "python", "python", "python", "js"]
