"""Every command prints in any encoding, by escaping what it lacks, and fails in one line, if at all, on a closed stream."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.cli.command import COMMANDS
from tests.cli.test_serve import run
from tests.live import COMMAND, environment, free_port

NAME = "日本 ünï →"
READING = [  # what prints and changes nothing
    ["user", "list"],
    ["user", "show", "jo"],
    ["role", "list"],
    ["resource", "list"],
    ["client", "list"],
    ["api-key", "list"],
    ["pat", "list", "--user", "jo"],
    ["signing-key", "list"],
    ["audit", "list"],
    ["audit", "verify"],
    ["audit", "export"],
    ["doctor"],
    ["init"],
    ["compare", "--kind", "api_key"],
    ["scan", "LEAKED-日本"],
    ["--help"],
    ["user", "show", "日本"],
]
ENCODINGS = [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "iso-8859-1"},
    {"PYTHONIOENCODING": "utf-8"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streams") / "instance-日本"
    assert run(folder, "init").returncode == 0
    orders = ["--identifier", "https://orders.example", "--name", NAME]
    for command in (
        ["resource", "create", *orders, "--permission", "orders:read"],
        ["role", "create", "--name", NAME, "--type", "user", "--permission", "orders:read"],
        ["user", "create", "--username", "jo", "--display-name", NAME, "--role", "administrator"],
        ["client", "create", "--name", NAME],
        ["pat", "create", "--user", "jo", "--name", NAME, "--scope", "manage"],
    ):
        done = run(folder, *command)
        assert done.returncode == 0, done.stderr
    (folder.parent / "LEAKED-日本").write_text(done.stdout)
    return folder


def asked(
    instance: Path, command: Sequence[str], shell: str = "", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command, with its streams redirected as the shell is told."""
    env = environment(instance, {"port": str(free_port())}) | variables
    line = ["bash", "-c", f'exec "$@" {shell}', "-", str(COMMAND), *command]
    return subprocess.run(
        line, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, cwd=instance.parent, check=False
    )


def test_every_command_is_tried_here() -> None:
    elsewhere = {"serve", "demo", "secret-key", "backup", "restore"}  # `serve` below; the others print ASCII
    assert {command[0] for command in READING} >= set(COMMANDS) - elsewhere


@pytest.mark.parametrize("command", READING, ids=" ".join)
@pytest.mark.parametrize("variables", ENCODINGS, ids=lambda chosen: next(iter(chosen.values())))
def test_a_command_prints_as_much_in_any_encoding(
    instance: Path, command: Sequence[str], variables: dict[str, str]
) -> None:
    done, usual = (asked(instance, command, **chosen) for chosen in (variables, {"PYTHONIOENCODING": "utf-8"}))
    encoding = variables.get("PYTHONIOENCODING", "ascii")
    assert b"Traceback" not in done.stderr
    assert done.returncode == usual.returncode
    if command[0] not in ("--help", "audit"):  # click's own text and the export are UTF-8 anywhere
        printed = done.stdout.decode(encoding)
        assert len(printed.splitlines()) >= len([line for line in usual.stdout.decode().splitlines() if line.strip()])
        if "日本" in usual.stdout.decode():
            assert ("日本" if encoding == "utf-8" else r"\u65e5\u672c") in printed


@pytest.mark.parametrize("variables", ENCODINGS, ids=lambda chosen: next(iter(chosen.values())))
@pytest.mark.parametrize("command", [["user", "list"], ["audit", "list"], ["doctor"]], ids=" ".join)
def test_json_is_the_same_in_any_encoding(instance: Path, command: list[str], variables: dict[str, str]) -> None:
    done, usual = (asked(instance, [*command, "--json"], **some) for some in (variables, {"PYTHONIOENCODING": "utf-8"}))
    encoding = variables.get("PYTHONIOENCODING", "ascii")
    read, expected = json.loads(done.stdout.decode(encoding)), json.loads(usual.stdout)
    if command == ["doctor"]:
        read, expected = ([f["check"] for f in one["findings"]] for one in (read, expected))
    assert read == expected


@pytest.mark.parametrize(
    "command", [*READING, ["doctor", "--json"], ["user", "list", "--json"], ["bogus"]], ids=" ".join
)
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_a_closed_stream_is_no_traceback(instance: Path, command: list[str], closed: str) -> None:
    done, usual = asked(instance, command, closed), asked(instance, command)
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr
    if command == ["audit", "export"] and ">&-" in closed.split():
        assert done.returncode == 2, "who wanted the events got none"
    else:
        assert done.returncode == usual.returncode
    if ">&-" not in closed.split():
        assert len(done.stdout.splitlines()) == len(usual.stdout.splitlines())


@pytest.mark.parametrize("command", [["audit", "verify", "--file", "-"], ["scan", "-"]], ids=" ".join)
def test_a_closed_stdin_is_named(instance: Path, command: list[str]) -> None:
    done = asked(instance, command, "<&-")
    assert done.returncode == 2 and b"closed" in done.stderr and b"Traceback" not in done.stderr


def test_the_greeting_is_a_script_for_bash_in_any_encoding(instance: Path) -> None:
    """The path of the first credentials is in it, as bytes that no terminal changes."""
    from app.cli.greeting import greeting
    from app.settings import Settings

    text = greeting(Settings(instance_dir=instance, secret_key="k" * 40), first=False)  # type: ignore[arg-type]
    (line,) = [line for line in text.splitlines() if line.startswith("U=")]
    shown = subprocess.run(["bash", "-c", f'{line}\nprintf %s "$B"'], capture_output=True, check=True).stdout
    assert line.isascii() and os.fsdecode(shown) == str(instance / "bootstrap.json")
