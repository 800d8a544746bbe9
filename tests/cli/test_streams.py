"""Every command prints in any encoding, with missing characters escaped, and with closed streams."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.cli.command import COMMANDS
from app.cli.start_message import start_message
from app.settings.settings import Settings
from tests.cli.forked import Done, Run, run_forked
from tests.cli.test_serve import run
from tests.live import COMMAND, environment

NAME = "日本 ünï →"
BOGUS = ["bogus"]
READING = [  # commands that print and change nothing
    ["user", "list"],
    ["user", "show", "jo"],
    ["role", "list"],
    ["resource", "list"],
    ["client", "list"],
    ["grant", "list"],
    ["api-key", "list"],
    ["pat", "list", "--user", "jo"],
    ["signing-key", "list"],
    ["usage", "nobody"],
    ["webhook", "list"],
    ["identity-provider", "list"],
    ["user", "identity", "list", "jo"],
    ["mail", "test", "jo@example.org"],
    ["explain"],
    ["audit", "list"],
    ["audit", "verify"],
    ["audit", "export"],
    ["doctor"],
    ["init"],
    ["scan", "LEAKED-日本"],
    ["--help"],
    ["user", "show", "日本"],
]
ENCODINGS = ["ascii", "iso-8859-1", "utf-8"]
CLOSED = {"stdin": [0], "stdout": [1], "stderr": [2], "all": [0, 1, 2]}
BAD_STDERR = {"full": {"2": "/dev/full"}}
JSON = [["user", "list", "--json"], ["audit", "list", "--json"], ["role", "list", "--json"]]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streams") / "instance-日本"
    assert run(folder, "init", port="1").returncode == 0
    orders = ["--identifier", "https://orders.example", "--name", NAME]
    for command in (
        ["resource", "create", *orders, "--permission", "orders:read"],
        ["role", "create", "--name", NAME, "--type", "user", "--permission", "orders:read"],
        ["user", "create", "--username", "jo", "--display-name", NAME, "--role", "administrator"],
        ["client", "create", "--name", NAME],
        ["pat", "create", "--user", "jo", "--name", NAME, "--scope", "manage"],
    ):
        done = run(folder, *command, port="1")
        assert done.returncode == 0, done.stderr
    (folder.parent / "LEAKED-日本").write_text(done.stdout)
    return folder


def forked(instance: Path, runs: Mapping[str, Run]) -> dict[str, Done]:
    """Run commands, each with its own streams: see `tests.cli.forked`."""
    return run_forked(runs, environment(instance, {"port": "1"}), instance.parent)


@pytest.fixture(scope="module")
def usual(instance: Path) -> dict[str, Done]:
    """What the commands print with UTF-8 and open streams."""
    return forked(instance, {" ".join(command): (command, "utf-8", [], {}) for command in [*READING, *JSON, BOGUS]})


def test_every_command_is_tried_here() -> None:
    elsewhere = {
        "serve",
        "demo",
        "compare",
        "secret-key",
        "backup",
        "restore",
    }  # these change the output of others
    assert {command[0] for command in READING} >= set(COMMANDS) - elsewhere


@pytest.mark.contract("any encoding, any closed stream")
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_command_prints_as_much_in_any_encoding(instance: Path, usual: dict[str, Done], encoding: str) -> None:
    runs: dict[str, Run] = {" ".join(command): (command, encoding, [], {}) for command in READING}
    for name, (code, out, err) in (usual if encoding == "utf-8" else forked(instance, runs)).items():
        assert b"Traceback" not in err and code == usual[name][0], name
        if name.startswith(("--help", "audit export")):  # click's own text and the export are always UTF-8
            continue
        printed, expected = out.decode(encoding), usual[name][1].decode()
        lines = [line for line in expected.splitlines() if line.strip()]
        assert len(printed.splitlines()) >= len(lines), name
        if "日本" in expected:
            assert ("日本" if encoding == "utf-8" else r"\u65e5\u672c") in printed, name


def test_the_output_has_characters_that_ascii_lacks(usual: dict[str, Done]) -> None:
    """Check that the commands print characters that the test above needs."""
    holding = {name for name, (_, out, _) in usual.items() if "日本".encode() in out}
    assert {"user show jo", "role list", "resource list", "client list", "pat list --user jo", "doctor"} <= holding


@pytest.mark.contract("any encoding, any closed stream")
@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])  # compared with UTF-8
def test_json_is_the_same_in_any_encoding(instance: Path, usual: dict[str, Done], encoding: str) -> None:
    done = forked(instance, {" ".join(command): (command, encoding, [], {}) for command in JSON})
    for name, (code, out, _) in done.items():
        assert code == 0 and json.loads(out.decode(encoding)) == json.loads(usual[name][1])


@pytest.mark.contract("any encoding, any closed stream")
@pytest.mark.parametrize("which", [*CLOSED, *BAD_STDERR])
def test_a_closed_stream_causes_no_traceback(instance: Path, usual: dict[str, Done], which: str) -> None:
    closed, files = CLOSED.get(which, []), BAD_STDERR.get(which, {})
    commands = (*READING, *JSON, BOGUS)
    done = forked(instance, {" ".join(command): (command, "utf-8", closed, files) for command in commands})
    for name, (code, out, err) in done.items():
        assert b"Traceback" not in err and b"Exception" not in err, name
        if name == "audit export" and 1 in closed:
            assert code == 2, "who wanted the events got none"
            continue
        assert code == usual[name][0], name
        assert len(out.splitlines()) == (0 if 1 in closed else len(usual[name][1].splitlines())), name


@pytest.mark.parametrize("command", [["audit", "verify", "--file", "-"], ["scan", "-"]], ids=" ".join)
def test_a_closed_stdin_is_named(instance: Path, command: list[str]) -> None:
    ((code, _, err),) = forked(instance, {"one": (command, "utf-8", [0], {})}).values()
    assert code == 2 and b"closed" in err and b"Traceback" not in err


def test_a_real_process_prints_in_ascii_too(instance: Path) -> None:
    """Check the streams that Python opens; the tests above open their own."""
    env = environment(instance) | {"PYTHONIOENCODING": "ascii"}
    script = '"$0" role list >&- && "$0" role list'
    done = subprocess.run(["bash", "-c", script, str(COMMAND)], env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0 and done.stderr == b""
    assert r"\u65e5\u672c \xfcn\xef ->" in done.stdout.decode("ascii")


def test_the_start_message_is_a_bash_script_in_any_encoding(instance: Path) -> None:
    """Check that it holds the path of the first credentials as bytes that no terminal changes."""
    text = start_message(Settings(instance_dir=instance, secret_key="k" * 40), first=False)
    (line,) = [line for line in text.splitlines() if line.startswith("U=")]
    shown = subprocess.run(["bash", "-c", f'{line}\nprintf %s "$B"'], capture_output=True, check=True).stdout
    assert line.isascii() and os.fsdecode(shown) == str(instance / "bootstrap.json")
