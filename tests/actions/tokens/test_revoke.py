"""Revocation by the holder: possession is enough, except for a client's token, which only the client revokes."""

from collections.abc import Callable

import pytest

from app.actions.audit.actor import Actor, anonymous
from app.crypto.opaque import Prefix, mint
from app.errors import InvalidGrant, Unauthenticated
from app.models import RevokedToken
from tests.core import Core

pytestmark = pytest.mark.both_databases

SOMEBODY = anonymous("192.0.2.1", "req-1")
ROBOT = Actor("client", "robot")


def revoke(core: Core, token: str, client_id: str | None = None) -> None:
    core.actions.revoke_token(ROBOT if client_id else SOMEBODY, token, client_id)


def pat(core: Core) -> str:
    return core.pat("alice", "orders:read")[1]


def key(core: Core) -> str:
    return core.key()[1]


@pytest.mark.spec("RFC 7009 §2.1")
@pytest.mark.parametrize("issue", [pat, key])
@pytest.mark.parametrize("client_id", [None, "robot", "another"])
def test_possession_of_an_opaque_credential_is_enough_to_revoke_it(
    core: Core, issue: Callable[[Core], str], client_id: str | None
) -> None:
    token = issue(core)
    exchanged = core.exchange(token)
    revoke(core, token, client_id)
    assert not core.active(token) and not core.active(exchanged)


@pytest.mark.spec("RFC 7009 §2.2")
def test_once_more_is_the_same_and_leaves_one_trace(core: Core) -> None:
    view, token = core.pat("alice", "orders:read")
    _, api_key = core.key()
    machine = core.m2m("robot", "orders:read")
    exchanged = core.exchange(token)
    for one in (exchanged, token, api_key, machine):
        for _ in range(2):
            revoke(core, one, "robot" if one == machine else None)
    actions = [event.action for event in core.trace() if event.action.endswith("revoke")]
    assert actions == ["token.revoke", "personal_access_token.revoke", "api_key.revoke", "token.revoke"]
    event = core.trace("personal_access_token.revoke")[0]
    assert (event.actor_type, event.target, event.address, event.request_id) == (
        "anonymous",
        view.id,
        "192.0.2.1",
        "req-1",
    )


@pytest.mark.spec("RFC 7009 §2.2")
@pytest.mark.parametrize(
    "token", ["", "nonsense", "a.b.c", mint(Prefix.PAT), mint(Prefix.API_KEY), mint(Prefix.CLIENT_SECRET), "\ud800"]
)
def test_what_is_unknown_is_passed_over(core: Core, token: str) -> None:
    before = len(core.trace())
    revoke(core, token)
    revoke(core, token, "robot")
    assert len(core.trace()) == before


@pytest.mark.spec("RFC 7009 §2.1")
def test_a_clients_token_needs_its_client(core: Core) -> None:
    core.client("another", "worker")
    token = core.m2m("robot", "orders:read")
    exchanged = core.exchange(pat(core), client_id="robot")
    for one in (token, exchanged):
        with pytest.raises(Unauthenticated) as refusal:
            revoke(core, one)
        assert refusal.value.error == "invalid_client"
        with pytest.raises(InvalidGrant):
            revoke(core, one, "another")
        assert core.active(one)
        revoke(core, one, "robot")
        assert not core.active(one)


def test_an_exchange_without_a_client_needs_none(core: Core) -> None:
    first, second = (core.exchange(pat_or_key(core)) for pat_or_key in (pat, key))
    revoke(core, first)
    revoke(core, second, "robot")
    assert not core.active(first) and not core.active(second)


def test_one_token_of_a_client_goes_the_others_stay(core: Core) -> None:
    gone, kept = core.m2m("robot", "orders:read"), core.m2m("robot", "orders:read")
    revoke(core, gone, "robot")
    assert not core.active(gone) and core.active(kept)


def test_an_expired_token_needs_no_denial(core: Core) -> None:
    token = core.m2m("robot", "stock:read")
    core.clock.advance(seconds=600)
    revoke(core, token)
    revoke(core, token, "another")
    assert core.count(RevokedToken) == 0


def test_a_denial_is_kept_longer_than_its_token_lives(core: Core) -> None:
    core.resource("https://slow.example", "slow:read", ttl=86_400)
    core.give("worker", "slow:read")
    token = core.m2m("robot", "slow:read")
    ends = core.verified(token).expires_at
    revoke(core, token, "robot")
    with core.store.reading() as session:
        kept = session.query(RevokedToken).one()
    assert ends is not None and kept.expires_at > ends


def test_denials_that_nobody_needs_are_forgotten_with_the_next(core: Core) -> None:
    core.resource("https://fast.example", "fast:read")
    core.give("worker", "fast:read")
    revoke(core, core.m2m("robot", "fast:read"), "robot")
    core.clock.advance(days=32)
    revoke(core, core.m2m("robot", "fast:read"), "robot")
    with core.store.reading() as session:
        assert session.query(RevokedToken).count() == 1


def test_a_secret_whose_overlap_is_over_ends_nothing(core: Core) -> None:
    view, old = core.key()
    new = core.actions.api_keys.rotate(ROBOT, view.id, 60)[1].token
    core.clock.advance(seconds=60)
    revoke(core, old)
    assert core.active(new)
    newest = core.actions.api_keys.rotate(ROBOT, view.id, 60)[1].token
    revoke(core, new)  # within its overlap it opens the key, so it ends the key
    assert not core.active(newest)


def test_a_replaced_secret_of_a_pat_ends_nothing(core: Core) -> None:
    view, old = core.pat("alice", "orders:read")
    new = core.actions.personal_access_tokens.regenerate(ROBOT, core.row_id("alice"), view.id)[1].token
    revoke(core, old)
    assert core.active(new)


def test_a_tampered_jwt_ends_nothing(core: Core) -> None:
    token = core.m2m("robot", "orders:read")
    head, body, signature = token.split(".")
    forged = f"{head}.{body}.{'A' * len(signature)}"
    revoke(core, forged, "robot")
    revoke(core, forged)
    assert core.active(token)
