"""A report of leaked secrets revokes them at once; unknown secrets are ignored."""

import pytest
from sqlalchemy import Engine, event

from app.actions.audit.actor import OPERATOR, anonymous
from app.crypto.opaque import Prefix, mint
from app.database.statements import BATCH
from app.models import ClientSecret
from tests.core import Core

pytestmark = pytest.mark.both_databases

FINDER = anonymous("192.0.2.1", "req-1")


def report(core: Core, *credentials: str) -> int:
    return core.actions.report_leak(FINDER, credentials)


def test_every_kind_is_ended_at_once_and_its_owner_sees_why(core: Core) -> None:
    pat_view, pat = core.pat("alice", "orders:read")
    key_view, key = core.key()
    machine, exchanged = core.m2m("robot", "orders:read"), core.exchange(pat, client_id="robot")
    secret = core.client_secret("robot")
    assert report(core, pat, key, machine, exchanged, secret) == 5
    assert not any(core.active(token) for token in (pat, key, machine, exchanged))
    shown = core.actions.personal_access_tokens.get(core.row_id("alice"), pat_view.id)
    assert (shown.status, shown.revoked_reason) == ("revoked", "reported as leaked")
    assert core.actions.api_keys.get(key_view.id).revoked_reason == "reported as leaked"
    with core.store.reading() as session:
        row = session.query(ClientSecret).one()
        assert (row.revoked_at, row.revoked_reason) == (core.clock(), "reported as leaked")
    events = core.trace("credential.report_leak")
    assert {event.target_type for event in events} == {"personal_access_token", "api_key", "token", "client_secret"}
    assert len(events) == 5 and {event.address for event in events} == {"192.0.2.1"}
    assert {pat_view.id, key_view.id, row.id} <= {event.target for event in events}


def test_once_more_changes_nothing(core: Core) -> None:
    view, pat = core.pat("alice", "orders:read")
    secret, machine = core.client_secret("robot"), core.m2m("robot", "orders:read")
    assert report(core, pat, pat, secret, machine, machine) == 3
    core.clock.advance(seconds=5)
    assert report(core, pat, secret, machine) == 0
    assert len(core.trace("credential.report_leak")) == 3
    shown = core.actions.personal_access_tokens.get(core.row_id("alice"), view.id)
    assert shown.revoked_at is not None and shown.revoked_at < core.clock()


def test_what_was_revoked_before_keeps_its_reason(core: Core) -> None:
    view, pat = core.pat("alice", "orders:read")
    core.actions.personal_access_tokens.revoke(OPERATOR, core.row_id("alice"), view.id)
    assert report(core, pat) == 0
    shown = core.actions.personal_access_tokens.get(core.row_id("alice"), view.id)
    assert shown.revoked_reason == "revoked by an operator"


def test_two_secrets_of_one_key_end_it_once(core: Core) -> None:
    view, old = core.key()
    _, new = core.actions.api_keys.rotate(OPERATOR, view.id, 60)
    assert report(core, old, new.token) == 1
    assert not core.active(new.token)


def test_a_secret_that_opens_nothing_any_more_ends_nothing(core: Core) -> None:
    view, old = core.key()
    _, new = core.actions.api_keys.rotate(OPERATOR, view.id, 0)
    assert report(core, old) == 0
    assert core.active(new.token)


def test_strangers_strings_are_passed_over(core: Core) -> None:
    before = len(core.trace())
    odd = ["", "x", "\x00", "\ud800", "a.b.c", "é" * 1000, "x" * 100_000, *(mint(prefix) for prefix in Prefix)]
    assert report(core, *odd) == 0 and report(core) == 0
    assert len(core.trace()) == before


def test_one_secret_gone_leaves_the_others_of_its_client(core: Core) -> None:
    gone, kept = core.client_secret("robot"), core.client_secret("robot")
    report(core, gone)
    assert core.actions.inspect(gone).status == "revoked"
    assert core.actions.inspect(kept).status == "active"


def test_a_thousand_strangers_tokens_cost_a_few_statements(core: Core) -> None:
    kinds = [Prefix.PAT, Prefix.API_KEY, Prefix.CLIENT_SECRET]
    made_up = [mint(kinds[number % 3]) for number in range(1000)]
    _, pat = core.pat("alice", "orders:read")
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert report(core, *made_up[:-1]) == 0
        assert len(seen) <= len(kinds)
        assert report(core, *made_up[:-1], pat) == 1
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_more_tokens_of_one_kind_than_a_statement_takes_are_all_found(core: Core) -> None:
    secrets = [core.client_secret("robot") for _ in range(3)]
    made_up = [mint(Prefix.CLIENT_SECRET) for _ in range(BATCH)]
    assert report(core, secrets[0], *made_up, secrets[1], *made_up, secrets[2]) == 3


PASTED = ["Bearer {}", "bearer {}", "{}\n", "{}\r\n", " {} ", "\tBearer\t{}\n"]


@pytest.mark.parametrize("pasted", PASTED)
def test_a_credential_is_found_however_it_was_pasted(core: Core, pasted: str) -> None:
    secrets = [core.pat("alice", "orders:read")[1], core.key()[1], core.client_secret("robot")]
    secrets.append(core.m2m("robot", "orders:read"))
    found = [core.actions.inspect(pasted.format(secret)) for secret in secrets]
    assert [one.status for one in found] == ["active"] * 4
    assert report(core, *map(pasted.format, secrets)) == 4
    assert [core.actions.inspect(secret).status for secret in secrets] == ["revoked"] * 4


def test_only_a_bearer_scheme_is_taken_off(core: Core) -> None:
    _, pat = core.pat("alice", "orders:read")
    assert report(core, f"Basic {pat}", f"Bearer{pat}", f"Bearer Bearer {pat}", "Bearer", "Bearer ", " ") == 0
