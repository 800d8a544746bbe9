"""An operator learns which credential a secret is, its owner, and why it is not active."""

import base64
import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.actions.audit.actor import OPERATOR, anonymous
from app.actions.directory.lifetime import AskedLifetime
from app.credentials.kind import Description
from app.crypto.opaque import Prefix, mint
from tests.core import START, Core

pytestmark = pytest.mark.both_databases


def jwt_of_kind(kind: str) -> str:
    body = base64.urlsafe_b64encode(json.dumps({"credential_type": kind}).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJub25lIn0.{body}.c2ln"


def test_a_live_pat(core: Core) -> None:
    view, token = core.pat("alice", "orders:read", name="ci")
    assert core.actions.inspect(token) == Description(
        status="active",
        credential_type="personal_access_token",
        id=view.id,
        name="ci",
        hint=view.hint,
        owner_type="user",
        owner_id=core.row_id("alice"),
        owner_name="alice",
        created_at=START,
        expires_at=view.expires_at,
        target="personal_access_token",
        owner_row_id=core.row_id("alice"),
        counted=("personal_access_token", view.id),
    )


def test_a_pat_in_each_state(core: Core) -> None:
    view, revoked = core.pat("alice", "orders:read", name="revoked")
    core.actions.personal_access_tokens.revoke(OPERATOR, core.row_id("alice"), view.id)
    view, replaced = core.pat("alice", "orders:read", name="replaced")
    core.actions.personal_access_tokens.regenerate(OPERATOR, core.row_id("alice"), view.id)
    _, expired = core.pat("alice", "orders:read", name="expired", lifetime=AskedLifetime(expires_in=1))
    _, disabled = core.pat("alice", "orders:read", name="disabled")
    core.clock.advance(seconds=1)
    core.enable("alice", False)
    seen = [core.actions.inspect(token) for token in (revoked, replaced, expired, disabled)]
    assert [one.status for one in seen] == ["revoked", "disabled", "expired", "disabled"]
    assert seen[0].revoked_at == START and seen[0].reason == "revoked by an operator"
    assert all(one.reason for one in seen)


def test_a_key_in_each_state(core: Core) -> None:
    rotated, old = core.key()
    new = core.actions.api_keys.rotate(OPERATOR, rotated.id, 60)[1].token
    assert core.actions.inspect(old).status == core.actions.inspect(new).status == "active"
    revoked, ended = core.key()
    core.actions.api_keys.revoke(OPERATOR, revoked.id)
    _, expired = core.key(expires_at=START + timedelta(seconds=60))
    _, disabled = core.key(enabled=False)
    core.clock.advance(seconds=60)
    seen = [core.actions.inspect(token) for token in (old, new, ended, expired, disabled)]
    assert [one.status for one in seen] == ["superseded", "active", "revoked", "expired", "disabled"]
    assert seen[0].id == seen[1].id == rotated.id and seen[0].hint != seen[1].hint
    assert {one.credential_type for one in seen} == {"api_key"}
    assert {one.owner_id for one in seen} == {None}


def test_a_client_secret_in_each_state(core: Core) -> None:
    live = core.client_secret("robot", name="first")
    expired = core.client_secret("robot", expires_at=START)
    leaked = core.client_secret("robot")
    core.actions.report_leak(anonymous(None, None), [leaked])
    seen = [core.actions.inspect(secret) for secret in (live, expired, leaked)]
    assert [one.status for one in seen] == ["active", "expired", "revoked"]
    assert (seen[0].name, seen[0].owner_type, seen[0].owner_id) == ("first", "client", "robot")
    assert seen[2].reason == "reported as leaked"
    core.enable("robot", False)
    assert core.actions.inspect(live).status == "disabled"


def test_a_machine_token_in_each_state(core: Core) -> None:
    token, revoked = core.m2m("robot", "stock:read"), core.m2m("robot", "stock:read")
    core.actions.revoke_token(OPERATOR, revoked, "robot")
    seen = core.actions.inspect(token)
    assert (seen.status, seen.credential_type, seen.owner_type, seen.owner_id, seen.exchanged) == (
        "active",
        "client_credentials",
        "client",
        "robot",
        False,
    )
    assert seen.id == core.verified(token).credential_id
    ended = core.actions.inspect(revoked)
    assert (ended.status, ended.revoked_at) == ("revoked", START)
    core.enable("robot", False)
    assert core.actions.inspect(token).status == "disabled"
    core.clock.advance(seconds=600)
    late = core.actions.inspect(token)
    assert (late.status, late.id, late.owner_id) == ("expired", seen.id, "robot")


def test_an_exchanged_token_in_each_state(core: Core) -> None:
    view, pat = core.pat("alice", "orders:read")
    token, revoked = core.exchange(pat), core.exchange(pat, client_id="robot")
    core.actions.revoke_token(OPERATOR, revoked, "robot")
    seen = core.actions.inspect(token)
    assert (seen.status, seen.credential_type, seen.exchanged) == ("active", "personal_access_token", True)
    assert core.actions.inspect(revoked).status == "revoked"
    core.actions.personal_access_tokens.revoke(OPERATOR, core.row_id("alice"), view.id)
    dead = core.actions.inspect(token)
    assert dead.status == "disabled" and dead.reason is not None


@pytest.mark.parametrize("prefix", Prefix)
def test_one_never_issued_is_unknown(core: Core, prefix: Prefix) -> None:
    assert core.actions.inspect(mint(prefix)).status == "unknown"


@pytest.mark.parametrize("kind", ["client_credentials", "personal_access_token", "api_key"])
def test_a_jwt_of_a_strangers_making_is_unknown(core: Core, kind: str) -> None:
    assert core.actions.inspect(jwt_of_kind(kind)).status == "unknown"


@pytest.mark.parametrize("kind", ["password", "", "\x00", "Client_Credentials", "\ud800", "k" * 5000])
def test_a_jwt_of_a_kind_we_do_not_have_is_malformed(core: Core, kind: str) -> None:
    seen = core.actions.inspect(jwt_of_kind(kind))
    assert seen.status == "malformed" and seen.credential_type is None


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text())
def test_any_other_text_is_malformed_and_not_shown_again(empty_core: Core, text: str) -> None:
    assert empty_core.actions.inspect(text) == Description("malformed", "not in a format that this server issues")


def test_inspecting_leaves_no_trace_of_the_secret(core: Core) -> None:
    _, token = core.pat("alice", "orders:read")
    before = len(core.trace())
    assert token not in repr(core.actions.inspect(token))
    assert len(core.trace()) == before
