"""A user's tokens: names, lifetimes, scopes, regeneration, revocation."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.access.scopes import Scopes
from app.actions.audit.actor import OPERATOR, Actor
from app.actions.directory.lifetime import AskedLifetime
from app.actions.directory.personal_access_tokens import PersonalAccessTokenActions, TokenChanges, TokenView
from app.crypto.opaque import Prefix, prefix_of
from app.errors import Conflict, Duplicate, Forbidden, Invalid, NotFound
from app.models import PersonalAccessToken
from tests.core import START, Core, start_core

pytestmark = pytest.mark.both_databases

DAY = 86_400


def tokens(core: Core) -> PersonalAccessTokenActions:
    return core.actions.personal_access_tokens


def alice(core: Core) -> str:
    return core.row_id("alice")


def seconds(amount: int) -> AskedLifetime:
    return AskedLifetime(expires_in=amount)


def test_a_new_token_is_shown_with_all_but_its_secret(core: Core) -> None:
    view, token = core.pat("alice", "stock:read", "orders:read", name="ci")
    assert prefix_of(token) is Prefix.PAT and view.hint == f"lk_pat_…{token[-4:]}"
    assert view == TokenView(
        id=view.id,
        user_id=alice(core),
        name="ci",
        description="",
        scopes=("orders:read", "stock:read"),
        hint=view.hint,
        created_at=START,
        expires_at=START + timedelta(days=30),
        last_used_at=None,
        status="active",
        revoked_at=None,
        revoked_reason=None,
    )
    assert tokens(core).get(alice(core), view.id) == view


def test_a_scope_that_the_roles_do_not_grant_is_named(core: Core) -> None:
    core.role("reader", "user", "orders:read")
    core.user("bob", "reader")
    with pytest.raises(Invalid, match="orders:write stock:read") as refusal:
        core.pat("bob", "orders:read", "orders:write", "stock:read")
    assert [e.field for e in refusal.value.errors] == ["scopes"]
    assert core.count(PersonalAccessToken) == 0 and core.trace() == []


def test_at_least_one_scope_is_needed(core: Core) -> None:
    with pytest.raises(Invalid, match="at least one"):
        core.pat("alice")


def test_a_scope_named_twice_counts_once(core: Core) -> None:
    view, token = core.pat("alice", "orders:read", "orders:read")
    assert view.scopes == ("orders:read",) and core.scope(token) == "orders:read"


def test_a_live_name_is_taken(core: Core) -> None:
    core.pat("alice", "orders:read", name="ci")
    with pytest.raises(Duplicate):
        core.pat("alice", "orders:read", name="ci")
    assert core.count(PersonalAccessToken) == 1 and len(core.trace()) == 1


def test_another_users_name_is_free(core: Core) -> None:
    core.user("bob", "clerk")
    core.pat("alice", "orders:read", name="ci")
    core.pat("bob", "orders:read", name="ci")


def test_a_revoked_token_frees_its_name(core: Core) -> None:
    view, _ = core.pat("alice", "orders:read", name="ci")
    tokens(core).revoke(OPERATOR, alice(core), view.id)
    again, _ = core.pat("alice", "orders:read", name="ci")
    assert again.id != view.id


def test_an_expired_token_frees_its_name_at_that_moment(core: Core) -> None:
    core.pat("alice", "orders:read", name="ci", lifetime=seconds(60))
    core.clock.now = START + timedelta(seconds=60, microseconds=-1)
    with pytest.raises(Duplicate):
        core.pat("alice", "orders:read", name="ci")
    core.clock.now = START + timedelta(seconds=60)
    core.pat("alice", "orders:read", name="ci")


def test_an_expired_token_whose_name_was_taken_cannot_be_regenerated(core: Core) -> None:
    old, _ = core.pat("alice", "orders:read", name="ci", lifetime=seconds(60))
    core.clock.advance(seconds=60)
    core.pat("alice", "orders:read", name="ci")
    with pytest.raises(Duplicate):
        tokens(core).regenerate(OPERATOR, alice(core), old.id)
    tokens(core).change(OPERATOR, alice(core), old.id, TokenChanges("ci, the old one"))
    view, issued = tokens(core).regenerate(OPERATOR, alice(core), old.id)
    assert view.status == "active" and core.active(issued.token)
    with pytest.raises(Duplicate):
        core.pat("alice", "orders:read", name="ci, the old one")


def test_a_token_can_be_renamed_and_described_but_not_to_a_live_name(core: Core) -> None:
    core.pat("alice", "orders:read", name="taken")
    view, token = core.pat("alice", "orders:read", name="ci")
    with pytest.raises(Duplicate):
        tokens(core).change(OPERATOR, alice(core), view.id, TokenChanges("taken"))
    assert tokens(core).get(alice(core), view.id).name == "ci"
    changed = tokens(core).change(OPERATOR, alice(core), view.id, TokenChanges("build", "for the build"))
    assert (changed.name, changed.description) == ("build", "for the build")
    assert tokens(core).change(OPERATOR, alice(core), view.id, TokenChanges(description="")).name == "build"
    core.pat("alice", "orders:read", name="ci")  # the old name is free again
    assert core.active(token)


@pytest.mark.parametrize(
    "lifetime", [seconds(0), seconds(-1), seconds(10**30), AskedLifetime(START), AskedLifetime(START - timedelta(1))]
)
def test_a_lifetime_is_at_least_a_second_and_at_most_a_century(core: Core, lifetime: AskedLifetime) -> None:
    with pytest.raises(Invalid) as refusal:
        core.pat("alice", "orders:read", lifetime=lifetime)
    field = "expires_in" if lifetime.expires_at is None else "expires_at"
    assert [e.field for e in refusal.value.errors] == [field]


def test_without_a_policy_a_token_may_live_for_ever_or_a_second(core: Core) -> None:
    never, token = core.pat("alice", "orders:read", name="never", lifetime=AskedLifetime(never=True))
    short, other = core.pat("alice", "orders:read", name="short", lifetime=seconds(1))
    exact, _ = core.pat("alice", "orders:read", name="exact", lifetime=AskedLifetime(START + timedelta(seconds=1)))
    assert never.expires_at is None and short.expires_at == exact.expires_at == START + timedelta(seconds=1)
    core.clock.now = START + timedelta(seconds=1, microseconds=-1)
    assert core.active(other)
    core.clock.advance(microseconds=1)
    assert not core.active(other)
    core.clock.advance(days=365 * 50)
    assert core.active(token)


@pytest.fixture
def strict(core: Core) -> Iterator[Core]:
    """The same database under PAT_MAX_LIFETIME of a week."""
    made = start_core(core.database.folder, pat_max_lifetime=7 * DAY)
    yield replace(made, _rows=core._rows)
    made.store.dispose()


def test_the_policy_bounds_a_lifetime(strict: Core) -> None:
    assert strict.pat("alice", "orders:read", name="default")[0].expires_at == START + timedelta(days=7)
    assert strict.pat("alice", "orders:read", name="most", lifetime=seconds(7 * DAY))[0].expires_at is not None
    for lifetime in (
        seconds(7 * DAY + 1),
        AskedLifetime(START + timedelta(days=7, microseconds=1)),
        AskedLifetime(never=True),
    ):
        with pytest.raises(Invalid, match=str(7 * DAY)):
            strict.pat("alice", "orders:read", name="more", lifetime=lifetime)


def test_the_policy_bounds_what_is_regenerated(core: Core, strict: Core) -> None:
    never, _ = core.pat("alice", "orders:read", name="never", lifetime=AskedLifetime(never=True))
    long, _ = core.pat("alice", "orders:read", name="long", lifetime=seconds(90 * DAY))
    short, _ = core.pat("alice", "orders:read", name="short", lifetime=seconds(60))
    expiries = [
        tokens(strict).regenerate(OPERATOR, alice(core), view.id)[0].expires_at for view in (never, long, short)
    ]
    assert expiries == [START + timedelta(days=7), START + timedelta(days=7), START + timedelta(seconds=60)]


@pytest.mark.contract("regenerate: 200, the same but for secret and expiry; the old secret is dead")
def test_regenerating_gives_a_new_secret_and_the_same_lifetime(core: Core) -> None:
    view, old = core.pat("alice", "orders:read", name="ci", lifetime=seconds(100))
    core.clock.advance(seconds=40)
    renewed, issued = tokens(core).regenerate(OPERATOR, alice(core), view.id)
    assert not core.active(old) and core.active(issued.token) and issued.token != old
    assert (renewed.id, renewed.name, renewed.scopes) == (view.id, view.name, view.scopes)
    assert (renewed.created_at, renewed.expires_at) == (START, START + timedelta(seconds=140))
    assert renewed.hint == f"lk_pat_…{issued.token[-4:]}"
    assert core.verified(issued.token).issued_at == START + timedelta(seconds=40)
    assert core.verified(issued.token).credential_id == view.id
    core.clock.advance(seconds=40)
    assert tokens(core).regenerate(OPERATOR, alice(core), view.id)[0].expires_at == START + timedelta(seconds=180)


def test_a_token_that_never_expires_does_not_after_regeneration_either(core: Core) -> None:
    view, _ = core.pat("alice", "orders:read", lifetime=AskedLifetime(never=True))
    assert tokens(core).regenerate(OPERATOR, alice(core), view.id)[0].expires_at is None


def test_an_expired_token_can_be_regenerated_a_revoked_one_cannot(core: Core) -> None:
    view, old = core.pat("alice", "orders:read", lifetime=seconds(10))
    core.clock.advance(seconds=10)
    renewed, issued = tokens(core).regenerate(OPERATOR, alice(core), view.id)
    assert renewed.status == "active" and core.active(issued.token) and not core.active(old)
    tokens(core).revoke(OPERATOR, alice(core), view.id)
    with pytest.raises(Conflict, match="revoked"):
        tokens(core).regenerate(OPERATOR, alice(core), view.id)
    assert not core.active(issued.token)


def test_regenerating_does_not_restore_lost_scopes(core: Core) -> None:
    view, _ = core.pat("alice", "orders:read", "stock:read")
    core.drop_permission("stock:read")
    renewed, issued = tokens(core).regenerate(OPERATOR, alice(core), view.id)
    assert renewed.scopes == ("orders:read",) and core.scope(issued.token) == "orders:read"


def test_a_revoked_token_stays_listed_with_when_and_why(core: Core) -> None:
    view, token = core.pat("alice", "orders:read")
    core.clock.advance(seconds=5)
    tokens(core).revoke(Actor("user", alice(core), "alice"), alice(core), view.id)
    revoked = tokens(core).get(alice(core), view.id)
    assert (revoked.status, revoked.revoked_at) == ("revoked", core.clock())
    assert revoked.revoked_reason == "revoked by its owner"
    assert not core.active(token)


def test_revoking_twice_is_one_revocation(core: Core) -> None:
    view, _ = core.pat("alice", "orders:read")
    tokens(core).revoke(OPERATOR, alice(core), view.id)
    core.clock.advance(seconds=5)
    tokens(core).revoke(OPERATOR, alice(core), view.id)
    assert tokens(core).get(alice(core), view.id).revoked_at == START
    assert len(core.trace("personal_access_token.revoke")) == 1
    assert tokens(core).get(alice(core), view.id).revoked_reason == "revoked by an operator"


def test_lists_come_in_pages_and_are_filtered_by_status(core: Core) -> None:
    live = [core.pat("alice", "orders:read", name=f"live {i}")[0] for i in range(3)]
    dead = core.pat("alice", "orders:read", name="dead")[0]
    late = core.pat("alice", "orders:read", name="late", lifetime=seconds(1))[0]
    tokens(core).revoke(OPERATOR, alice(core), dead.id)
    core.clock.advance(seconds=1)
    first, cursor = tokens(core).page(alice(core), 3)
    rest, end = tokens(core).page(alice(core), 3, cursor)
    assert end is None and {v.id for v in first + rest} == {v.id for v in [*live, dead, late]}
    assert len(first) == 3 and [v.id for v in first + rest] == sorted(v.id for v in first + rest)
    assert {v.id for v in tokens(core).page(alice(core), 9, status="active")[0]} == {v.id for v in live}
    assert [v.id for v in tokens(core).page(alice(core), 9, status="expired")[0]] == [late.id]
    assert [v.id for v in tokens(core).page(alice(core), 9, status="revoked")[0]] == [dead.id]


@pytest.mark.asvs("8.2.2")
def test_nobody_reaches_another_users_token(core: Core) -> None:
    bob = core.user("bob", "clerk")
    view, token = core.pat("alice", "orders:read")
    attempts: list[Callable[[], object]] = [
        lambda: tokens(core).get(bob, view.id),
        lambda: tokens(core).change(OPERATOR, bob, view.id, TokenChanges("mine")),
        lambda: tokens(core).regenerate(OPERATOR, bob, view.id),
        lambda: tokens(core).revoke(OPERATOR, bob, view.id),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound):
            attempt()
    assert core.active(token) and tokens(core).page(bob, 9) == ([], None)


def test_an_unknown_user_or_token_is_not_found(core: Core) -> None:
    with pytest.raises(NotFound):
        tokens(core).page("usr_none", 9)
    with pytest.raises(NotFound):
        tokens(core).get(alice(core), "pat_none")


def test_a_delegate_creates_and_reveals_no_token(core: Core) -> None:
    delegate = Actor("user", alice(core), management=Scopes.of("manage"), delegated=True)
    view, token = core.pat("alice", "orders:read")
    with pytest.raises(Forbidden):
        core.pat("alice", "orders:read", name="another", actor=delegate)
    with pytest.raises(Forbidden):
        tokens(core).regenerate(delegate, alice(core), view.id)
    assert core.active(token) and core.count(PersonalAccessToken) == 1


def test_nobody_creates_a_token_with_more_management_scopes_than_theirs(core: Core) -> None:
    own = core.actions.settings.management_identifier
    core.resource(own, "manage", "audit:read", "users:read")
    core.give("clerk", "manage", "audit:read", "users:read")
    auditor = Actor("client", "auditor", management=Scopes.of("audit:read", "tokens:write"))
    core.pat("alice", "audit:read", "orders:read", name="less", actor=auditor)
    with pytest.raises(Forbidden, match="users:read"):
        core.pat("alice", "audit:read", "users:read", name="more", actor=auditor)
    view, token = core.pat("alice", "manage", name="all")
    with pytest.raises(Forbidden):
        tokens(core).regenerate(auditor, alice(core), view.id)
    assert core.active(token)


def names(core: Core, **query: Any) -> list[str]:
    return [view.name for view in tokens(core).page(alice(core), 10, **query)[0]]


def test_a_list_can_begin_with_the_newest(core: Core) -> None:
    made = [core.pat("alice", "orders:read", name=name)[0] for name in ("first", "second", "third")]
    by_id = [view.name for view in sorted(made, key=lambda view: view.id, reverse=True)]
    page, cursor = tokens(core).page(alice(core), 2, newest_first=True)
    rest, end = tokens(core).page(alice(core), 2, cursor, newest_first=True)
    assert [view.name for view in (*page, *rest)] == by_id and end is None


def test_a_list_is_searched_in_names_descriptions_scopes_and_last_characters(core: Core) -> None:
    _, secret = core.pat("alice", "orders:read", name="Überwachung 100%")
    core.pat("alice", "stock:read", name="other")
    for part in ("über", "ÜBER", "100%", secret[-4:], "ORDERS:"):
        assert "Überwachung 100%" in names(core, search=part), part
    assert names(core, search="stock:read") == names(core, search="OTHER") == ["other"]
    assert names(core, search="nothing") == names(core, search="1%0") == []
    assert names(core, search="other", status="revoked") == []


def test_an_expired_token_is_deleted_and_leaves_its_events(core: Core) -> None:
    view, token = core.pat("alice", "orders:read", lifetime=seconds(60))
    core.clock.advance(seconds=60)
    tokens(core).delete(OPERATOR, alice(core), view.id)
    with pytest.raises(NotFound):
        tokens(core).get(alice(core), view.id)
    assert names(core) == [] and core.actions.verify(token) is None
    assert len(core.trace("personal_access_token.create")) == len(core.trace("personal_access_token.delete")) == 1


def test_an_active_or_revoked_token_is_not_deleted(core: Core) -> None:
    active, _ = core.pat("alice", "orders:read", name="active")
    revoked, _ = core.pat("alice", "orders:read", name="revoked", lifetime=seconds(60))
    tokens(core).revoke(OPERATOR, alice(core), revoked.id)
    core.clock.advance(seconds=60)
    for view in (active, revoked):
        with pytest.raises(Conflict, match="only an expired token"):
            tokens(core).delete(OPERATOR, alice(core), view.id)
    assert names(core) == ["active", "revoked"] and core.trace("personal_access_token.delete") == []
