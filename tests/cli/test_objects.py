"""Each object of the API has its commands: a secret alone on stdout, notes on stderr, --json, one line for an error."""

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli import main
from app.cli.command import COMMANDS
from tests.cli.test_serve import run
from tests.databases import database_in
from tests.live import environment

TOKEN = re.compile(r"lk_(pat|key|sec)_[0-9A-Za-z]{38}\n")


class Cli:
    """Runs commands on one instance, in this process."""

    def __init__(self, instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in environment(instance).items():
            if name.startswith("LATCHKEY_"):
                monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str, input: str | None = None) -> Any:
        return CliRunner().invoke(main, list(arguments), input=input, catch_exceptions=False)

    def good(self, *arguments: str, input: str | None = None) -> str:
        done = self(*arguments, input=input)
        assert done.exit_code == 0, done.output
        return str(done.stdout)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.good(*arguments, "--json"))

    def bad(self, *arguments: str) -> str:
        done = self(*arguments)
        assert (done.exit_code, done.stdout) == (1, ""), done.output
        assert done.stderr.startswith("latchkey: ")
        assert done.stderr.count("\n") == 1
        return str(done.stderr)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "instance"
    assert run(folder, "init").returncode == 0
    return folder


@pytest.fixture
def cli(instance: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    return Cli(instance, monkeypatch)


@pytest.fixture(scope="module")
def orders(instance: Path) -> str:
    """A resource with a user role and a machine role, a user `alice` and a client; return its client_id."""
    with pytest.MonkeyPatch.context() as patch:
        cli = Cli(instance, patch)
        cli.good("resource", "create", "--identifier", "https://orders.example", "--name", "Orders",
                 "--permission", "orders:read orders:write", "--public", "orders:list")  # fmt: skip
        for kind in ("user", "machine"):
            permissions = ("--permission", "orders:read", "--permission", "orders:write")
            cli.good("role", "create", "--name", f"{kind}s", "--type", kind, *permissions)
        cli.good("user", "create", "--username", "alice", "--role", "users")
        return str(cli.json("client", "create", "--name", "worker", "--role", "machines")["client_id"])


@pytest.mark.contract("each command, `--help` and `--json`")
@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_every_command_has_help_and_every_leaf_takes_json(cli: Cli, command: Sequence[str]) -> None:
    for path, help_text in _helps(cli, command):
        assert help_text.startswith("Usage: ")
        if "COMMAND" not in help_text:
            assert "--json" in help_text, path


def _helps(cli: Cli, path: Sequence[str]) -> list[tuple[list[str], str]]:
    text = cli.good(*path, "--help")
    found = [(list(path), text)]
    if path and " COMMAND [ARGS]" in text:
        below = text.partition("Commands:")[2]
        for name in re.findall(r"^  ([a-z-]+)  ", below, re.M):
            found += _helps(cli, [*path, name])
    return found


def test_a_new_pat_is_alone_on_stdout(cli: Cli, orders: str) -> None:
    done = cli("pat", "create", "--user", "alice", "--name", "alone", "--scope", "orders:read")
    assert TOKEN.fullmatch(done.stdout)
    assert "lk_pat" not in done.stderr
    listed = cli.good("pat", "list", "--user", "alice")
    assert "alone" in listed
    assert done.stdout.strip() not in listed


def test_a_shell_takes_a_secret_as_it_is(instance: Path, orders: str) -> None:
    script = 'T=$("$0" pat create --user alice --name shell --scope orders:read 2>/dev/null) && printf "%s" "$T"'
    latchkey = str(Path(__file__).parents[2] / ".venv/bin/latchkey")
    done = subprocess.run(
        ["bash", "-c", script, latchkey], env=environment(instance), capture_output=True, text=True, check=True
    )
    assert TOKEN.fullmatch(done.stdout + "\n")


def test_a_pat_has_the_requested_lifetime(cli: Cli, orders: str) -> None:
    common = ("pat", "create", "--user", "alice", "--scope", "orders:read")
    assert cli.json(*common, "--name", "ever", "--never-expires")["expires_at"] is None
    assert cli.json(*common, "--name", "until", "--expires-at", "2099-01-31T12:00:00Z")["expires_at"] == (
        "2099-01-31T12:00:00Z"
    )
    assert cli.json(*common, "--name", "days", "--expires-in", "2d")["expires_at"]
    assert "exclude" in cli(*common, "--name", "x", "--never-expires", "--expires-in", "1d").stderr


def test_a_pat_is_shown_renamed_regenerated_and_revoked(cli: Cli, orders: str) -> None:
    made = cli.json("pat", "create", "--user", "alice", "--name", "whole", "--scope", "orders:read orders:write")
    assert made["scopes"] == ["orders:read", "orders:write"]
    assert TOKEN.fullmatch(made["token"] + "\n")
    of = ("--user", "alice", made["id"])
    assert "token" not in cli.json("pat", "show", *of)
    assert cli.json("pat", "update", *of, "--name", "renamed")["name"] == "renamed"
    again = cli.good("pat", "regenerate", *of)
    assert TOKEN.fullmatch(again)
    assert again.strip() != made["token"]
    assert cli.json("pat", "revoke", *of) == {"id": made["id"], "status": "revoked"}
    assert [token["id"] for token in cli.json("pat", "list", "--user", "alice", "--status", "revoked")] == [made["id"]]


def test_a_scope_that_the_roles_do_not_give_is_named(cli: Cli, orders: str) -> None:
    assert "manage" in cli.bad("pat", "create", "--user", "alice", "--name", "more", "--scope", "manage")


def test_an_api_key_is_issued_changed_rotated_and_revoked(cli: Cli, orders: str) -> None:
    done = cli("api-key", "create", "--name", "site", "--resource", "https://orders.example")
    assert TOKEN.fullmatch(done.stdout)
    made = cli.json("api-key", "create", "--name", "tight", "--resource", "https://orders.example",
                    "--scope", "orders:list", "--rate-limit", "100/1m", "--allowed-ip", "10.0.0.0/8")  # fmt: skip
    assert made["rate_limit"] == {"requests": 100, "window_seconds": 60}
    assert made["allowed_ips"] == ["10.0.0.0/8"]
    loose = cli.json("api-key", "update", made["id"], "--no-rate-limit", "--any-ip", "--disable")
    assert (loose["rate_limit"], loose["allowed_ips"], loose["enabled"]) == (None, [], False)
    assert TOKEN.fullmatch(cli.good("api-key", "rotate", made["id"], "--overlap", "1h"))
    assert cli.json("api-key", "revoke", made["id"])["status"] == "revoked"
    assert cli.json("api-key", "show", made["id"])["status"] == "revoked"
    assert len(cli.json("api-key", "list", "--resource", "https://orders.example")) == 2


def test_a_client_and_its_secrets(cli: Cli, orders: str) -> None:
    done = cli("client", "create", "--name", "shell", "--serves", "https://orders.example")
    assert TOKEN.fullmatch(done.stdout)
    assert TOKEN.fullmatch(cli.good("client", "secret", "create", orders, "--name", "second"))
    listed = cli.json("client", "secret", "list", orders)
    assert [secret["status"] for secret in listed] == ["active", "active"]
    assert cli.json("client", "secret", "revoke", orders, listed[0]["id"])["status"] == "revoked"
    assert cli.json("client", "update", orders, "--disable", "--no-roles")["roles"] == []
    assert cli.json("client", "update", orders, "--enable", "--role", "machines")["enabled"] is True
    assert orders in cli.good("client", "list")


@pytest.mark.contract("a trusted issuer's token makes a client of a CI job, without any secret")
def test_a_client_without_any_secret_trusts_an_issuer(cli: Cli) -> None:
    assert "client_secret" not in cli.json("client", "create", "--name", "job", "--auth-method", "federated_jwt")
    found = [one["client_id"] for one in cli.json("client", "list") if one["name"] == "job"]
    trusted = ("--name", "CI", "--issuer", "https://ci.example", "--subject", "repo:acme/orders:ref:refs/heads/*")
    made = cli.json("client", "federated", "add", *found, *trusted, "--claim", "repository_id=4711")
    assert made["claims"] == {"repository_id": "4711"}
    assert "https://ci.example" in cli.good("client", "federated", "list", *found)
    assert "subject" in cli.bad("client", "federated", "add", *found, *trusted[:4], "--subject", "repo:*")
    assert "NAME=TEXT" in cli.bad("client", "federated", "add", *found, *trusted, "--claim", "x")
    assert "takes no secret" in cli.bad("client", "secret", "create", *found)
    assert cli.json("client", "federated", "remove", *found, made["id"])["deleted"] is True
    assert cli.json("client", "federated", "list", *found) == []


def test_a_client_with_a_key_of_its_own_has_no_secret(cli: Cli, orders: str, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    public = {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
              "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "kid": "1"}  # fmt: skip
    file.write_text(json.dumps({"keys": [public]}))
    made = cli.json("client", "create", "--name", "keyed", "--auth-method", "private_key_jwt", "--jwks", str(file))
    assert "client_secret" not in made
    cli.good("client", "delete", made["client_id"])
    file.write_text(json.dumps({"keys": [public | {"kid": "2", "use": "enc"}, public]}))
    made = cli.json("client", "create", "--name", "mixed", "--auth-method", "private_key_jwt", "--jwks", str(file))
    assert made["jwks"] == {"keys": [public]}
    file.write_text("nonsense")
    assert "no JSON object" in cli.bad("client", "update", orders, "--jwks", str(file))


def test_an_app_is_registered_with_its_grants_redirect_uris_and_scopes(cli: Cli, orders: str) -> None:
    uri, grants = "https://app.example/callback", ("--grant", "authorization_code", "--grant", "refresh_token")
    done = cli("client", "create", "--name", "app", *grants, "--redirect-uri", uri)
    assert TOKEN.fullmatch(done.stdout) and "without a role" not in done.stderr
    made = cli.json(
        *("client", "create", "--name", "tv", "--auth-method", "none", "--grant", "device_code"),
        *("--client-uri", "https://tv.example", "--logo-uri", "https://tv.example/logo.png"),
    )
    assert made["grant_types"] == ["urn:ietf:params:oauth:grant-type:device_code"] and "client_secret" not in made
    row = made["client_id"]
    assert "redirect_uris" in cli.bad("client", "update", row, *grants)
    both = ("--redirect-uri", f"{uri} http://127.0.0.1/callback")
    changed = cli.json("client", "update", row, *grants, *both, "--scope", "orders:read", "--logo-uri", "")
    assert changed["redirect_uris"] == [uri, "http://127.0.0.1/callback"] and changed["scopes"] == ["orders:read"]
    assert changed["logo_uri"] is None and changed["client_uri"] == "https://tv.example"
    back = cli.json("client", "update", row, "--grant", "device_code", "--no-redirect-uris", "--all-scopes")
    assert (back["redirect_uris"], back["scopes"]) == ([], None)
    assert "redirect_uris" in cli.bad(
        "client", "create", "--name", "x", *grants, "--redirect-uri", "http://app.example/"
    )
    assert cli("client", "create", "--name", "x", "--grant", "password").exit_code == 2


def test_a_client_that_is_bound_to_its_key_or_certificate(cli: Cli) -> None:
    by_certificate = ("--auth-method", "tls_client_auth", "--certificate-names", "san_dns=robot.example")
    made = cli.json("client", "create", "--name", "sealed", *by_certificate, "--certificate-bound", "--dpop-bound")
    assert "client_secret" not in made and made["tls_client_auth_san_dns"] == "robot.example"
    bound = ("tls_client_certificate_bound_access_tokens", "dpop_bound_access_tokens")
    assert [made[name] for name in bound] == [True, True]
    row = made["client_id"]
    renamed = cli.json("client", "update", row, "--certificate-names", "subject_dn=CN=robot", "--no-dpop-bound")
    assert (renamed["tls_client_auth_subject_dn"], renamed["tls_client_auth_san_dns"]) == ("CN=robot", None)
    assert [renamed[name] for name in bound] == [True, False]
    assert cli("client", "update", row, "--certificate-names", "robot.example").exit_code == 2
    assert "not a name" in cli.bad("client", "update", row, "--certificate-names", "san_ip=robot")
    cli.good("client", "delete", row)


def test_a_user_and_their_password(cli: Cli, instance: Path) -> None:
    done = cli("user", "create", "--username", "bob", "--email", "bob@example.com", "--generate-password")
    assert re.fullmatch(r"\S{20,}\n", done.stdout)
    assert cli("user", "set-password", "bob", input="a password nobody has 71\n").exit_code == 0
    assert "common" in cli("user", "set-password", "bob", input="password1234\n").stderr
    assert cli("user", "set-password", "bob", input="").exit_code == 1
    for command in ("invite", "reset-password"):
        assert re.fullmatch(r"http\S+/login/link#[\w-]{43}\n", cli("user", command, "bob").stdout)
    made = cli.json("user", "invite", "bob")
    assert (made["purpose"], made["sent_to"]) == ("invitation", None) and "/login/link#" in made["url"]
    assert cli.json("user", "update", "bob", "--display-name", "Bob", "--disable")["enabled"] is False
    assert cli.json("user", "show", "bob")["scopes"] == []
    assert "bob" in cli.good("user", "list")
    cli.good("user", "delete", "bob")
    assert "'bob'" in cli.bad("user", "show", "bob")
    assert b"nobody has 71" not in database_in(instance).dump()


@pytest.mark.asvs("2.2.2")
def test_what_does_not_fit_is_refused_in_one_line(cli: Cli) -> None:
    cli.json("resource", "create", "--identifier", "https://fit.example", "--name", "x" * 200)
    for unfit in (
        ("role", "create", "--type", "user", "--name", "x" * 201),
        ("client", "create", "--name", "x" * 201),
        ("user", "create", "--username", "long", "--display-name", "x" * 201),
        ("api-key", "create", "--resource", "https://fit.example", "--name", "x" * 201),
        ("api-key", "create", "--resource", "https://fit.example", "--name", "x", "--rate-limit", "9/99999999999"),
    ):
        assert "is at most" in cli.bad(*unfit)
    assert "encoding" in cli.bad("role", "create", "--type", "user", "--name", "\udcff")
    assert "encoding" in cli.bad("user", "show", "\udcff")


def test_a_resource_and_its_permissions(cli: Cli) -> None:
    made = cli.json("resource", "create", "--identifier", "https://stock.example", "--name", "Stock")
    of = ("https://stock.example", "stock:read")
    assert cli.json("resource", "permission", "add", *of, "--public")["public"] is True
    assert cli.json("resource", "permission", "update", *of, "--not-public", "--description", "see")["public"] is False
    assert cli.json("resource", "update", made["id"], "--access-token-ttl", "10m")["access_token_ttl"] == 600
    assert [p["name"] for p in cli.json("resource", "show", "https://stock.example")["permissions"]] == ["stock:read"]
    assert cli.json("resource", "permission", "delete", *of)["deleted"] is True
    assert "https://stock.example" in cli.good("resource", "list")
    assert cli.json("resource", "delete", made["id"])["deleted"] is True


def test_a_role(cli: Cli, orders: str) -> None:
    cli.good("role", "create", "--name", "spare", "--type", "user", "--permission", "orders:read")
    assert "name" in cli.bad("role", "create", "--name", "spare", "--type", "user")
    assert cli.json("role", "update", "spare", "--no-permissions", "--description", "none")["permissions"] == []
    assert cli.json("role", "show", "spare")["description"] == "none"
    assert "spare" not in [role["name"] for role in cli.json("role", "list", "--type", "machine")]
    assert cli.json("role", "delete", "spare")["deleted"] is True


def test_the_signing_keys(cli: Cli) -> None:
    before = {key["status"]: key["kid"] for key in cli.json("signing-key", "list")}
    assert set(before) == {"active", "next"}
    assert cli.json("signing-key", "rotate")["kid"] == before["next"]
    after = {key["kid"]: key["status"] for key in cli.json("signing-key", "list")}
    assert (after[before["active"]], after[before["next"]]) == ("retiring", "active")
    left = {key["kid"]: key["status"] for key in cli.json("signing-key", "revoke", before["next"])}
    assert before["next"] not in left and sorted(left.values()) == ["active", "next", "retiring"]
    assert cli("signing-key", "revoke", before["next"]).exit_code == 1


def test_the_audit_log_has_what_the_command_line_did(cli: Cli, orders: str) -> None:
    made = cli.json("api-key", "create", "--name", "traced", "--resource", "https://orders.example")
    [event] = cli.json("audit", "list", "--target", made["id"])
    assert (event["action"], event["actor_type"], event["actor"]) == ("api_key.create", "operator", "cli")
    assert cli.json("audit", "list", "--target", made["id"], "--until", "2020-01-01") == []
    assert len(cli.json("audit", "list", "--limit", "3")) == 3
    assert made["key"] not in cli.good("audit", "list", "--json")


def test_a_command_without_a_database_says_what_to_do(tmp_path: Path) -> None:
    done = run(tmp_path / "instance", "user", "list")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "latchkey: the database is not set up: run `latchkey init` or start the server\n"


def test_the_last_administrators_are_kept(cli: Cli, instance: Path) -> None:
    client = json.loads((instance / "bootstrap.json").read_text())["client_id"]
    for of_user in (
        ["user", "update", "admin", "--disable"],
        ["user", "update", "admin", "--no-roles"],
        ["user", "delete", "admin"],
        ["role", "delete", "administrator"],
    ):
        assert "no enabled user with a password or a linked account and a role that gives manage" in cli.bad(*of_user)
    for of_client in (
        ["client", "update", client, "--disable"],
        ["client", "delete", client],
        ["role", "delete", "machine-administrator"],
    ):
        assert "no enabled client" in cli.bad(*of_client)


def test_names_are_checked_as_in_the_api(cli: Cli) -> None:
    assert "U+202E" in cli.bad("role", "create", "--name", "a\u202eb", "--type", "user")
    assert cli.json("role", "create", "--name", " E\u0301t\u00e9\u00a0", "--type", "user")["name"] == "Été"
    assert "another role has this name" in cli.bad("role", "create", "--name", "éTÉ", "--type", "user")
    assert "Cyrillic and Latin" in cli.bad("user", "create", "--username", "\u0430dmin")


def test_a_token_is_found_by_its_id_alone(cli: Cli) -> None:
    user = cli.json("user", "show", "admin")["username"]
    made = cli.json("pat", "create", "--user", user, "--name", "alone", "--scope", "manage")
    assert cli.json("pat", "show", made["id"])["name"] == "alone"
    assert cli.json("pat", "update", made["id"], "--name", "renamed")["name"] == "renamed"
    assert cli.json("pat", "regenerate", made["id"])["id"] == made["id"]
    assert cli.json("pat", "revoke", made["id"])["status"] == "revoked"
    assert cli.json("pat", "show", made["id"], "--user", user)["status"] == "revoked"
    assert "there is no such token" in cli.bad("pat", "revoke", "pat_unknown")


def test_a_useless_credential_comes_with_a_warning(cli: Cli) -> None:
    cli.good("resource", "create", "--identifier", "https://closed.example", "--name", "Closed", "--permission", "shut")
    key = cli("api-key", "create", "--resource", "https://closed.example", "--name", "useless")
    assert TOKEN.fullmatch(key.stdout) and "Warning: it opens nothing" in key.stderr
    client = cli("client", "create", "--name", "useless")
    assert TOKEN.fullmatch(client.stdout) and "Warning: it gets no token without a role" in client.stderr
