"""`latchkey identity-provider`: the secret comes from a file or stdin and is never printed."""

from pathlib import Path

import pytest

from tests.cli.test_objects import Cli
from tests.cli.test_serve import run

SECRET = "a client secret of the provider"
NEW = ("identity-provider", "create", "--name", "Acme", "--issuer", "https://idp.acme.example", "--client-id", "us")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "instance"
    assert run(folder, "init").returncode == 0
    return folder


@pytest.fixture
def cli(instance: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    return Cli(instance, monkeypatch)


@pytest.mark.contract("identity providers: by file, API, console and command")
def test_the_life_of_a_provider(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    groups = ("--groups-claim", "groups", "--role", "cn=admins,o=acme=administrator", "--require", "hd=acme.example")
    made = cli.json(*NEW, "--client-secret-file", str(file), "--create-users", *groups)
    assert made["roles"] == {"cn=admins,o=acme": ["administrator"]} and made["required_claims"] == {
        "hd": "acme.example"
    }
    assert made["create_users"] is True and made["redirect_uri"].endswith(f"/login/callback/{made['id']}")
    assert SECRET not in repr(made)
    assert [one["id"] for one in cli.json("identity-provider", "list")] == [made["id"]]
    assert cli.json("identity-provider", "show", made["id"]) == made
    changed = cli.json("identity-provider", "update", made["id"], "--private-key-jwt", "--no-create-users", "--disable")
    assert (changed["private_key_jwt"], changed["create_users"], changed["enabled"]) == (True, False, False)
    assert changed["roles"] == made["roles"]
    again = cli("identity-provider", "update", made["id"], "--client-secret-file", "-", "--json", input=SECRET)
    assert again.exit_code == 0 and '"private_key_jwt": false' in again.stdout and SECRET not in again.output
    cli.good("identity-provider", "delete", made["id"])
    assert "no such identity provider" in cli.bad("identity-provider", "show", made["id"])


def test_what_is_wrong_is_one_line(cli: Cli) -> None:
    assert "either client_secret or private_key_jwt" in cli.bad(*NEW)
    assert "use GROUP=ROLE" in cli.bad(*NEW, "--private-key-jwt", "--role", "admins")
    assert "there is no role nobody" in cli.bad(
        *NEW, "--private-key-jwt", "--groups-claim", "groups", "--role", "admins=nobody"
    )


@pytest.mark.contract("an operator links an account to somebody within their own rights")
def test_an_account_is_linked_to_a_user_and_unlinked(cli: Cli) -> None:
    provider = cli.json(*NEW, "--private-key-jwt")["id"]
    cli.good("user", "create", "--username", "ann")
    made = cli.json("user", "identity", "add", "ann", "--provider", provider, "--subject", "s-1")
    assert (made["provider"], made["issuer"], made["subject"]) == ("Acme", "https://idp.acme.example", "s-1")
    assert cli.json("user", "identity", "list", "ann") == [made]
    again = ("user", "identity", "add", "admin", "--provider", provider, "--subject", "s-1")
    assert "linked to a user already" in cli.bad(*again)
    assert "no such identity provider" in cli.bad("user", "identity", "add", "ann", "--provider", "x", "--subject", "s")
    assert cli.json("user", "identity", "remove", "ann", made["id"])["deleted"] is True
    assert "no such linked account" in cli.bad("user", "identity", "remove", "ann", made["id"])
    cli.good("identity-provider", "delete", provider)
