"""`latchkey grant`: list what users allowed to apps, and revoke it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.cli.actions import open_actions
from app.compose import Actions
from tests.app_grants import connect
from tests.cli.test_completion import completed
from tests.cli.test_objects import Cli

APP = ("--auth-method", "none", "--grant", "authorization_code", "--grant", "refresh_token")


@dataclass
class Apps:
    """Commands on an instance where alice and bob each allowed an app, and alice another one."""

    cli: Cli
    actions: Actions
    clients: dict[str, str]
    grants: dict[str, str]

    def listed(self, *options: str) -> set[str]:
        return {grant["id"] for grant in self.cli.json("grant", "list", *options)}


@pytest.fixture
def apps(instance: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Apps]:
    cli = Cli(instance, monkeypatch)
    orders = ("--identifier", "https://orders.example", "--name", "Orders", "--permission", "orders:read")
    cli.good("resource", "create", *orders)
    cli.good("role", "create", "--name", "clerk", "--type", "user", "--permission", "orders:read")
    users = {n: cli.json("user", "create", "--username", n, "--role", "clerk")["id"] for n in ("alice", "bob")}
    clients = {
        name: cli.json("client", "create", "--name", name, *APP, "--redirect-uri", "http://127.0.0.1/")["client_id"]
        for name in ("Planner", "Printer")
    }
    actions = open_actions()
    grants = {
        f"{user} {name}": connect(actions, actions.authenticate_client.find(clients[name]), users[user]).grant_id
        for user, name in (("alice", "Planner"), ("bob", "Planner"), ("alice", "Printer"))
    }
    yield Apps(cli, actions, clients, grants)
    actions.store.dispose()


def test_grants_are_listed_of_a_client_of_a_user_and_of_a_status(apps: Apps) -> None:
    ids = apps.grants
    assert apps.listed() == set(ids.values())
    assert apps.listed("--client", apps.clients["Planner"]) == {ids["alice Planner"], ids["bob Planner"]}
    assert apps.listed("--user", "alice") == {ids["alice Planner"], ids["alice Printer"]}
    assert apps.listed("--user", "bob", "--client", apps.clients["Printer"]) == set()
    assert apps.listed("--status", "revoked") == set()
    table = apps.cli.good("grant", "list", "--user", "bob")
    assert all(text in table for text in (ids["bob Planner"], "bob", "Planner", "orders:read", "active"))


def test_a_grant_is_shown_and_never_its_tokens(apps: Apps) -> None:
    shown = apps.cli.json("grant", "show", apps.grants["bob Planner"])
    assert (shown["username"], shown["client_name"], shown["scopes"]) == ("bob", "Planner", ["orders:read"])
    assert shown["resources"] == ["https://orders.example"] and "token" not in str(shown)


def test_a_revoked_grant_ends_alone_and_stays_listed(apps: Apps) -> None:
    gone = apps.grants["alice Planner"]
    assert apps.cli.json("grant", "revoke", gone) == {"id": gone, "status": "revoked"}
    assert apps.listed("--status", "revoked") == {gone}
    assert apps.listed("--status", "active") == set(apps.grants.values()) - {gone}
    assert apps.cli.json("grant", "show", gone)["revoked_reason"] == "revoked by an operator"
    assert apps.cli("grant", "revoke", gone).exit_code == 0


def test_an_unknown_grant_client_or_user_is_an_error_in_one_line(apps: Apps) -> None:
    for command in (("revoke", "grt_x"), ("show", "grt_x")):
        assert "no such grant" in apps.cli.bad("grant", *command)
    assert "there is no client 'x'" in apps.cli.bad("grant", "list", "--client", "x")
    assert "there is no user 'x'" in apps.cli.bad("grant", "list", "--user", "x")


def test_ids_of_live_grants_are_completed(apps: Apps, instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apps.cli.good("grant", "revoke", apps.grants["bob Planner"])
    found = completed(monkeypatch, instance, "grant revoke grt_")
    assert set(found) == {apps.grants["alice Planner"], apps.grants["alice Printer"]}
