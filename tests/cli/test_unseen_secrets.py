"""A secret that could not be printed is revoked, or does not replace the old one."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.audit.read import AuditFilter
from app.cli.actions import open_actions
from app.cli.standard_streams import undo_unless_printed
from app.compose import Actions
from app.errors import LatchkeyError
from tests.cli.forked import Run
from tests.cli.test_serve import run
from tests.cli.test_streams import forked
from tests.live import COMMAND, environment

FULL: tuple[list[int], dict[str, str]] = ([], {"1": "/dev/full"})
CLOSED: tuple[list[int], dict[str, str]] = ([1], {})
ORDERS = "https://orders.example"
MAKING: dict[str, list[str]] = {
    "pat": ["pat", "create", "--user", "jo", "--name", "one", "--scope", "manage"],
    "api-key": ["api-key", "create", "--name", "one", "--resource", ORDERS],
    "client": ["client", "create", "--name", "one"],
    "secret": ["client", "secret", "create", "CLIENT", "--name", "one"],
    "user": ["user", "create", "--username", "one", "--generate-password"],
}


@pytest.fixture(scope="module")
def set_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance with a user, a resource and a client, to be copied."""
    folder = tmp_path_factory.mktemp("unseen") / "instance"
    for command in (
        ["init"],
        ["resource", "create", "--identifier", ORDERS, "--name", "Orders", "--public", "orders:read"],
        ["user", "create", "--username", "jo", "--role", "administrator"],
    ):
        done = run(folder, *command, port="1")
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(autouse=True)
def _settings(instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the settings of the copy into the environment of this process."""
    for name, value in environment(instance, {"port": "1"}).items():
        if name.startswith("LATCHKEY_"):
            monkeypatch.setenv(name, value)


def living(actions: Actions) -> dict[str, Any]:
    """Return the users, the clients and the active credentials."""
    users = [user.id for user in actions.users.page(200)[0]]
    clients = [client.id for client in actions.clients.page(200)[0]]
    return {
        "users": users,
        "clients": clients,
        "tokens": [t.id for user in users for t in actions.personal_access_tokens.page(user, 200, None, "active")[0]],
        "keys": [key.id for key in actions.api_keys.page(200, None, "active")[0]],
        "secrets": [s.id for one in clients for s in actions.client_secrets.page(one, 200, None, "active")[0]],
    }


@pytest.mark.contract("a secret that could not be printed opens nothing")
def test_a_credential_whose_secret_was_not_printed_is_revoked(instance: Path) -> None:
    actions = open_actions()
    before = living(actions)
    client = json.loads((instance / "bootstrap.json").read_text())["client_id"]
    runs: dict[str, Run] = {}
    for name, command in MAKING.items():
        named = [client if word == "CLIENT" else word for word in command]
        for how, (closed, files) in {"full": FULL, "closed": CLOSED}.items():
            for more in ([], ["--json"]):
                runs[f"{name} {how} {more}"] = ([*named, *more], "utf-8", closed, files)
    for name, (code, out, err) in forked(instance, runs).items():
        assert code == 1 and out == b"", name
        (line,) = err.decode().splitlines()
        assert line.startswith("latchkey: the secret could not be printed ("), name
        assert line.endswith((" is revoked", " is deleted again")) and "lk_" not in line, name
    assert living(actions) == before
    made = [event.action for event in actions.audit.page(AuditFilter(), 200, None)[0]]
    assert made.count("personal_access_token.create") == made.count("personal_access_token.revoke") == 4


@pytest.mark.contract("a secret that could not be printed opens nothing")
def test_a_secret_is_not_replaced_when_the_new_one_cannot_be_printed(instance: Path) -> None:
    token = run(instance, *MAKING["pat"], port="1").stdout.strip()
    key = run(instance, *MAKING["api-key"], port="1").stdout.strip()
    actions = open_actions()
    ids = actions.inspect(token).id, actions.inspect(key).id
    commands = [["pat", "regenerate", "--user", "jo", str(ids[0])], ["api-key", "rotate", str(ids[1])]]
    runs: dict[str, Run] = {
        f"{command[0]} {how}": (command, "utf-8", closed, files)
        for command in commands
        for how, (closed, files) in {"full": FULL, "closed": CLOSED}.items()
    }
    for name, (code, out, err) in forked(instance, runs).items():
        assert code == 1 and out == b"", name
        assert err.decode().startswith("latchkey: nothing was changed: the secret could not be printed ("), name
    assert [actions.inspect(secret).status for secret in (token, key)] == ["active", "active"]


def test_a_secret_written_to_a_pipe_without_a_reader_is_revoked(instance: Path) -> None:
    before = living(open_actions())
    reading, writing = os.pipe()
    os.close(reading)
    command = [str(COMMAND), *MAKING["pat"]]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writing)
    assert done.returncode == 1 and "(Broken pipe): the token pat_" in done.stderr and done.stderr.count("\n") == 1
    assert living(open_actions()) == before


def test_the_example_organisation_is_deleted_when_its_secrets_cannot_be_printed(instance: Path) -> None:
    before = living(open_actions())
    done = forked(instance, {"demo": (["demo"], "utf-8", *FULL), "served": (["serve", "--demo"], "utf-8", *CLOSED)})
    assert [code for code, _, _ in done.values()] == [1, 1]
    assert living(open_actions()) == before


def test_a_secret_cut_short_by_a_full_disk_is_revoked() -> None:
    """Check an error that cannot be detected before the secret is written."""
    with (
        pytest.raises(LatchkeyError, match=r"\(No space left on device\): it is ended"),
        undo_unless_printed(lambda: "it is ended"),
    ):
        raise OSError(28, "No space left on device")


def test_a_withdrawn_secret_of_a_key_is_dead_and_the_old_one_is_not(instance: Path) -> None:
    old = run(instance, *MAKING["api-key"], port="1").stdout.strip()
    actions = open_actions()
    key_id = str(actions.inspect(old).id)
    _, issued = actions.api_keys.rotate(OPERATOR, key_id, 3600)
    actions.api_keys.withdraw(OPERATOR, key_id, issued.token)
    assert actions.inspect(old).status == "active"
    assert actions.inspect(issued.token).status != "active"
