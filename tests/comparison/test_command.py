"""`latchkey compare` on a running server."""

import json
import re
import subprocess
import time
from html import unescape
from pathlib import Path

import pytest

from tests import fork_server
from tests.api import Admin
from tests.conftest import StartServer
from tests.live import LiveServer, environment

LONGEST = 60  # seconds, on a fresh server


def compare(server: LiveServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `latchkey compare` on the instance of the server."""
    return fork_server.run(["compare", *arguments], environment(server.instance, {"port": str(server.port)}))


@pytest.fixture
def server(fresh_server: StartServer) -> LiveServer:
    return fresh_server(rate_limits="on")


@pytest.mark.contract("`latchkey compare`, `--json`, `--html`, `--kind`")
def test_it_compares_on_the_running_server_within_a_minute(server: LiveServer, tmp_path: Path) -> None:
    began = time.monotonic()
    done = compare(server, "--html", str(tmp_path / "table.html"))
    assert time.monotonic() - began < LONGEST
    assert done.returncode == 0, done.stderr
    assert ", over HTTP" in done.stdout.splitlines()[1]
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "<table" in (tmp_path / "table.html").read_text(encoding="utf-8")
    assert not re.search(r"lk_(pat|key|sec)_\w|eyJ", done.stdout + done.stderr)


@pytest.mark.contract("`latchkey compare`, `--json`, `--html`, `--kind`", "the page `/compare` shows the same")
def test_everybody_reads_what_it_saw(server: LiveServer) -> None:
    told = json.loads(compare(server, "--json").stdout)
    assert server.http.get("/api/v1/comparison").json() == told
    page = unescape(server.http.get("/compare").text)
    assert "What is measured was seen on this server" in page
    assert all(row["title"] in page for row in told["rows"])


@pytest.mark.contract("`latchkey compare`, `--json`, `--html`, `--kind`")
def test_one_kind_alone_is_not_kept_for_all(server: LiveServer) -> None:
    done = compare(server, "--kind", "m2m", "--json")
    assert [column["name"] for column in json.loads(done.stdout)["columns"]] == ["m2m"]
    assert server.http.get("/api/v1/comparison").json()["at"] is None


def test_the_server_is_found_at_the_issuer_as_doctor_finds_it(server: LiveServer) -> None:
    settings = environment(server.instance, {"issuer": server.url, "port": "1"})
    done = fork_server.run(["compare", "--kind", "m2m", "--json"], settings)
    done.check_returncode()
    assert json.loads(done.stdout)["via"] == "over HTTP"


def test_an_unknown_kind_is_refused(server: LiveServer) -> None:
    done = compare(server, "--kind", "cookie")
    assert done.returncode == 2 and "cookie" in done.stderr


@pytest.mark.contract("`/comparison`: cached for all, measured for `manage`")
def test_the_api_measures_for_a_holder_of_manage(server: LiveServer) -> None:
    told = Admin(server).get("/comparison", timeout=60).json()
    assert told["at"] and told["via"] == "in one process" and told["contradictions"] == []
    assert server.http.get("/api/v1/comparison").json() == told
