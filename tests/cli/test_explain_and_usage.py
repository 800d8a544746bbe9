"""`latchkey explain` says why a credential is refused, and `latchkey usage` how often one was used."""

import json
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from app.actions.tokens.refusals import WORDS
from app.cli.actions import open_actions
from app.credentials.reasons import Reason
from app.crypto.opaque import Prefix, mint
from tests.cli.test_objects import Cli
from tests.oauth.refusing import UNSIGNED

ORDERS = "https://orders.example"


@pytest.fixture
def cli(instance: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    made = Cli(instance, monkeypatch)
    permission = ("--permission", "orders:read", "--public", "orders:list")
    made.good("resource", "create", "--identifier", ORDERS, "--name", "Orders", *permission)
    return made


@pytest.mark.contract("`latchkey explain` says why a credential is refused, and what would mend it")
def test_a_refusal_is_explained_with_what_would_mend_it(cli: Cli) -> None:
    key = cli.json("api-key", "create", "--name", "till", "--resource", ORDERS)
    secret = str(key["key"])
    assert cli.good("explain", "--resource", ORDERS, "--scope", "orders:list", input=secret) == "It is accepted.\n"
    for resource, scope, reason in (
        ("https://typo.example", "", "unknown_resource"),
        (ORDERS, "orders:read", "insufficient_scope"),
    ):
        said = cli.good("explain", "--resource", resource, "--scope", scope, input=secret)
        assert said.startswith(f"{reason}: ") and secret not in said
    cli.good("api-key", "revoke", str(key["id"]))
    told = json.loads(cli.good("explain", "--json", input=secret))
    assert (told["accepted"], told["reason"], told["credential_id"]) == (False, "revoked", key["id"])


@pytest.mark.contract("`latchkey explain` says why a credential is refused, and what would mend it")
def test_an_explanation_is_in_the_words_of_the_reason(cli: Cli) -> None:
    made = {Reason.MALFORMED: "nonsense", Reason.UNKNOWN: mint(Prefix.PAT), Reason.BAD_SIGNATURE: UNSIGNED}
    for reason, secret in {**made, Reason.WRONG_KIND: mint(Prefix.DEVICE_CODE)}.items():
        assert cli.good("explain", "--resource", ORDERS, input=secret) == f"{reason.value}: {WORDS[reason]}\n"


def test_a_token_of_an_issuer_that_is_not_set_any_more_is_explained_with_the_setting(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a shell has not the issuer of the server: it must not say that the server did not sign its token."""
    actions = open_actions()
    client, issue = actions.clients.page(1)[0][0], actions.issue_machine_token
    management = actions.settings.management_identifier
    token = issue.sign(issue.decide(client.id, client.client_id, None, (management,))).token
    assert cli.good("explain", input=token) == "It is accepted.\n"
    monkeypatch.setenv("LATCHKEY_ISSUER", "https://other.example")
    assert "as the issuer that is set (ISSUER)" in cli.good("explain", input=token)


def test_nothing_or_too_much_on_stdin_and_a_malformed_scope_are_refused(cli: Cli) -> None:
    assert "stdin is longer" in cli("explain", input="x" * 2_000_000).output
    assert "stdin is empty" in cli("explain", input="").output
    assert "--scope is malformed" in cli("explain", "--scope", 'a"', input="x").output


def test_the_use_of_a_key_is_counted(cli: Cli) -> None:
    key = cli.json("api-key", "create", "--name", "counted", "--resource", ORDERS)
    actions = open_actions()
    claims = actions.verify(str(key["key"]))
    assert claims is not None
    actions.usage.note(claims)
    actions.usage.stop()
    [row] = json.loads(cli.good("usage", str(key["id"]), "--group-by", "outcome", "--json"))
    assert (row["group"], row["uses"], row["refusals"]) == ("ok", 1, 0)
    assert "ok" in cli.good("usage", str(key["id"]), "--group-by", "outcome")


@pytest.mark.parametrize("hours", [-12, -5.5, 0, 5.75, 14])
def test_a_time_names_the_same_hour_and_day_with_any_offset(cli: Cli, hours: float) -> None:
    key, actions = cli.json("api-key", "create", "--name", "counted", "--resource", ORDERS), open_actions()
    claims = actions.verify(str(key["key"]))
    assert claims is not None
    actions.usage.note(claims)
    actions.usage.stop()
    since = (
        actions.read_usage.of(str(key["id"]))[0].last_used_at.astimezone(timezone(timedelta(hours=hours))).isoformat()
    )
    for group in ("hour", "day", "outcome"):
        [row] = json.loads(cli.good("usage", str(key["id"]), "--group-by", group, "--since", since, "--json"))
        assert row["uses"] == 1


@pytest.mark.parametrize(
    "command", [("usage", "x", "--since"), ("audit", "list", "--until"), ("audit", "prune", "--before")]
)
@pytest.mark.parametrize("time", ["9999-12-31T23:00:00-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_has_no_year_in_utc_is_refused(cli: Cli, command: tuple[str, ...], time: str) -> None:
    refused = cli(*command, time)
    assert refused.exit_code == 2 and "is not a valid time" in refused.output
