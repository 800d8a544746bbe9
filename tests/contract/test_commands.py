"""Section 5: what the commands create works at once on the running server, and no command disturbs it."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli import main
from app.cli.command import COMMANDS
from tests.api import Admin, Client, expect, unique
from tests.contract.world import World
from tests.live import environment

NAMED = (
    "serve",
    "init",
    "demo",
    "user",
    "role",
    "resource",
    "client",
    "pat",
    "api-key",
    "signing-key",
    "audit",
    "doctor",
)
HARMLESS = (["user", "list"], ["signing-key", "list"], ["doctor"], ["resource", "list"], ["audit", "list"])


@pytest.fixture(autouse=True)
def beside_the_server(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the commands, which run in this process, at the instance of the live server."""
    for name, value in environment(admin.server.instance).items():
        if name.startswith("LATCHKEY_"):
            monkeypatch.setenv(name, value)


def latchkey(*arguments: str) -> Any:
    """Run a command."""
    done = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def run_json(*arguments: str) -> Any:
    """Run a command with --json; return its output."""
    return json.loads(latchkey(*arguments, "--json").stdout)


@pytest.mark.contract("each command, `--help` and `--json`")
def test_each_command_that_the_contract_names_is_there() -> None:
    assert set(NAMED) <= set(COMMANDS)


@pytest.mark.contract("a user makes a PAT by page, API, CLI", "a secret alone on stdout")
def test_a_token_made_by_command_works_and_is_alone_on_stdout(world: World) -> None:
    done = latchkey("pat", "create", "--user", world.user.username, "--name", unique("cli"), "--scope", world.read)
    answer = world.admin.introspect(done.stdout.strip())
    assert answer["username"] == world.user.username and answer["scope"] == world.read
    assert done.stdout.count("\n") == 1 and done.stdout.strip() not in done.stderr


@pytest.mark.contract("an operator issues an API key by console, API, CLI", "a secret alone on stdout")
def test_a_key_made_by_command_works_and_is_alone_on_stdout(world: World) -> None:
    done = latchkey("api-key", "create", "--name", unique("cli"), "--resource", world.identifier)
    expect(200, world.admin.forward_auth(done.stdout.strip(), world.resource, world.read, how="x-api-key"))


def test_a_client_made_by_command_works(world: World) -> None:
    role = world.machine_role["name"]
    made = run_json("client", "create", "--name", unique("cli"), "--role", role)
    client = Client(made["id"], made["client_id"], made["client_secret"])
    assert world.admin.active(world.admin.m2m(client))


def test_a_command_sees_what_the_api_made_and_ends_it(world: World) -> None:
    held = world.issue("api_key")
    assert run_json("api-key", "show", held.id)["status"] == "active"
    latchkey("api-key", "revoke", held.id)
    assert not world.admin.active(held.token)
    assert held.id in latchkey("audit", "list", "--json").stdout


@pytest.mark.parametrize("command", HARMLESS)
def test_a_command_beside_a_server_on_another_port_leaves_its_issuer_alone(admin: Admin, command: list[str]) -> None:
    CliRunner().invoke(main, command)  # whatever it prints: doctor reports problems here
    assert admin.server.bootstrap["issuer"] == admin.server.url
    assert admin.grant(admin.bootstrap_client, resource=admin.identifier)["scope"] == "manage"
    expect(200, admin.get("/roles"))
