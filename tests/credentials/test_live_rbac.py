"""What a credential may do is decided when it is used: from what was granted and what is given now."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.actions.audit.actor import OPERATOR
from tests.core import ORDERS, STOCK, Core

pytestmark = pytest.mark.both_databases

WANTED = ("orders:read", "orders:write", "stock:read")


def issue_pat(core: Core) -> str:
    return core.pat("alice", *WANTED)[1]


def issue_m2m(core: Core) -> str:
    return core.m2m("robot", " ".join(WANTED))


def issue_exchanged(core: Core) -> str:
    return core.exchange(issue_pat(core), client_id="robot")


ISSUERS: list[tuple[Callable[[Core], str], str, str]] = [
    (issue_pat, "alice", "clerk"),
    (issue_m2m, "robot", "worker"),
    (issue_exchanged, "alice", "clerk"),
]
each_kind = pytest.mark.parametrize(("issue", "owner", "role"), ISSUERS, ids=["pat", "m2m", "exchanged"])


@pytest.mark.contract('a credential left without scope stays active with `""`')
@each_kind
def test_without_its_owners_role_it_stays_active_with_no_scope(
    core: Core, issue: Callable[[Core], str], owner: str, role: str
) -> None:
    token = issue(core)
    assert core.scope(token) == "orders:read orders:write stock:read"
    core.assign(owner)
    assert core.scope(token) == ""
    assert core.verified(token).audience == (ORDERS, STOCK)
    core.assign(owner, role)
    assert core.scope(token) == "orders:read orders:write stock:read"


@each_kind
def test_a_deleted_role_takes_its_scopes_along(core: Core, issue: Callable[[Core], str], owner: str, role: str) -> None:
    core.role("left", "user" if role == "clerk" else "machine", "stock:read")
    core.assign(owner, role, "left")
    token = issue(core)
    core.drop_role(role)
    assert core.scope(token) == "stock:read"
    core.drop_role("left")
    assert core.scope(token) == ""


@each_kind
def test_a_deleted_permission_is_gone_from_it(core: Core, issue: Callable[[Core], str], owner: str, role: str) -> None:
    token = issue(core)
    core.drop_permission("orders:write")
    assert core.scope(token) == "orders:read stock:read"
    core.drop_permission("orders:read")
    core.drop_permission("stock:read")
    assert core.scope(token) == ""
    assert core.verified(token).audience == (ORDERS, STOCK)


@each_kind
def test_while_its_owner_is_disabled_it_is_dead(
    core: Core, issue: Callable[[Core], str], owner: str, role: str
) -> None:
    token = issue(core)
    core.enable(owner, False)
    assert not core.active(token)
    core.enable(owner, True)
    assert core.active(token)


@each_kind
def test_when_its_owner_is_deleted_it_is_dead(core: Core, issue: Callable[[Core], str], owner: str, role: str) -> None:
    token = issue(core)
    core.delete(owner)
    assert not core.active(token)


@each_kind
def test_when_its_resource_is_deleted_what_lay_there_is_gone(
    core: Core, issue: Callable[[Core], str], owner: str, role: str
) -> None:
    token = issue(core)
    core.delete(ORDERS)
    assert core.scope(token) == "stock:read"
    assert core.verified(token).cut_to(frozenset([STOCK])) is not None


@each_kind
def test_more_roles_never_widen_it(core: Core, issue: Callable[[Core], str], owner: str, role: str) -> None:
    token = issue(core)
    core.add_permission(ORDERS, "orders:delete")
    core.give(role, "orders:delete")
    core.role("more", "user" if role == "clerk" else "machine", "orders:delete", "orders:list")
    core.assign(owner, role, "more")
    assert core.scope(token) == "orders:read orders:write stock:read"


def test_a_permission_made_again_does_not_revive_a_pats_scope(core: Core) -> None:
    token = issue_pat(core)
    exchanged = core.exchange(token)
    core.drop_permission("orders:write")
    core.add_permission(ORDERS, "orders:write")
    core.give("clerk", "orders:write")
    assert core.scope(token) == core.scope(exchanged) == "orders:read stock:read"
    view = core.actions.personal_access_tokens.page(core.row_id("alice"), 10)[0][0]
    assert view.scopes == ("orders:read", "stock:read")


def test_a_resource_made_again_does_not_revive_a_pats_audience(core: Core) -> None:
    token = issue_pat(core)
    core.delete(ORDERS)
    core.resource(ORDERS, "orders:read", "orders:write")
    core.give("clerk", "orders:read", "orders:write")
    assert core.verified(token).audience == (STOCK,)
    assert core.scope(token) == "stock:read"


def test_a_pat_without_any_resource_left_reaches_nobody(core: Core) -> None:
    _, token = core.pat("alice", "stock:read")
    core.delete(STOCK)
    claims = core.verified(token)
    assert (claims.audience, str(claims.scopes)) == ((), "")
    assert claims.cut_to(frozenset([ORDERS, STOCK])) is None


def test_a_key_carries_what_is_public_on_its_resource_now(core: Core) -> None:
    _, token = core.key()
    assert core.scope(token) == "orders:list"
    core.publish("orders:read", True)
    assert core.scope(token) == "orders:list orders:read"
    core.add_permission(ORDERS, "orders:count", public=True)
    assert core.scope(token) == "orders:count orders:list orders:read"
    core.publish("orders:list", False)
    core.drop_permission("orders:count")
    assert core.scope(token) == "orders:read"
    core.publish("orders:read", False)
    assert core.scope(token) == ""
    assert core.verified(token).audience == (ORDERS,)


def test_a_narrowed_key_never_carries_more_than_was_chosen(core: Core) -> None:
    core.publish("orders:read", True)
    _, token = core.key(scopes=("orders:read",))
    core.publish("orders:write", True)
    assert core.scope(token) == "orders:read"
    core.publish("orders:read", False)
    assert core.scope(token) == ""
    core.publish("orders:read", True)
    assert core.scope(token) == "orders:read"
    core.drop_permission("orders:read")
    core.add_permission(ORDERS, "orders:read", public=True)
    assert core.scope(token) == ""


def test_a_key_of_a_deleted_resource_is_dead_and_stays_so(core: Core) -> None:
    _, token = core.key()
    exchanged = core.exchange(token)
    core.delete(ORDERS)
    assert not core.active(token) and not core.active(exchanged)
    core.resource(ORDERS, public=["orders:list"])
    assert not core.active(token) and not core.active(exchanged)


def test_a_public_permission_says_nothing_about_pats_and_clients(core: Core) -> None:
    token = issue_pat(core)
    core.assign("alice")
    core.publish("orders:read", True)
    assert core.scope(token) == ""


HELD = st.frozensets(st.sampled_from(["orders:read", "orders:write", "orders:list", "stock:read"]))


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=HELD.filter(bool), later=HELD)
def test_what_counts_is_what_was_chosen_and_is_still_given(
    core: Core, chosen: frozenset[str], later: frozenset[str]
) -> None:
    core.assign("alice", "clerk")
    core.assign("robot", "worker")
    view, pat = core.pat("alice", *chosen, name="any")
    m2m = core.m2m("robot", " ".join(chosen))
    user_role, machine_role = f"u{view.id}", f"m{view.id}"
    core.role(user_role, "user", *later)
    core.role(machine_role, "machine", *later)
    core.assign("alice", user_role)
    core.assign("robot", machine_role)
    still = " ".join(sorted(chosen & later))
    assert core.scope(pat) == core.scope(m2m) == still
    core.actions.personal_access_tokens.revoke(OPERATOR, core.row_id("alice"), view.id)
