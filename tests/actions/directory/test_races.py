"""Concurrent changes of the same object have the same result as one after the other, on both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.api_keys import KeyChanges
from app.actions.directory.client_secrets import NewClientSecret
from app.actions.directory.clients import ClientChanges
from app.actions.directory.lifetime import AskedLifetime
from app.actions.directory.personal_access_tokens import TokenChanges
from app.actions.directory.resources import NewPermission, PermissionChanges
from app.actions.directory.roles import RoleChanges
from app.actions.directory.users import UserChanges
from app.errors import LatchkeyError
from tests.core import ORDERS, STOCK, Core

pytestmark = pytest.mark.both_databases

MANY = 6
ROUNDS = range(3)
SCOPES = ("orders:read", "orders:write", "orders:list", "stock:read")
NAMES = [f"role{number}" for number in range(MANY)]
each_round = pytest.mark.parametrize("number", ROUNDS)


def at_once(*works: Callable[[], object]) -> list[object]:
    """Do all of this together; give what each gave, or the refusal it met. Anything but a refusal is raised."""
    together = Barrier(len(works))

    def begin(work: Callable[[], object]) -> object:
        together.wait(10)
        try:
            return work()
        except LatchkeyError as refusal:
            return refusal

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(begin, works))


def successes(outcomes: list[object]) -> list[object]:
    return [outcome for outcome in outcomes if not isinstance(outcome, LatchkeyError)]


@each_round
def test_only_the_last_of_many_regenerated_secrets_works(core: Core, number: int) -> None:
    pat, _ = core.pat("alice", "orders:read")
    made: list[tuple[str, str]] = []

    def regenerate() -> None:
        _, issued = core.actions.personal_access_tokens.regenerate(OPERATOR, core.row_id("alice"), pat.id)
        try:
            made.append((issued.token, core.exchange(issued.token)))
        except LatchkeyError:
            made.append((issued.token, ""))  # another was faster

    assert len(successes(at_once(*[regenerate] * MANY))) == len(made) == MANY
    live = [(secret, jwt) for secret, jwt in made if core.active(secret)]
    assert len(live) == 1
    assert [jwt for _, jwt in made if jwt and core.active(jwt)] == [live[0][1]]


@each_round
def test_a_token_revoked_while_it_is_regenerated_is_revoked_and_frees_its_name(core: Core, number: int) -> None:
    pat, secret = core.pat("alice", "orders:read", name="laptop")
    mine, whose = core.actions.personal_access_tokens, core.row_id("alice")
    outcomes = at_once(
        lambda: mine.regenerate(OPERATOR, whose, pat.id)[1].token,
        lambda: mine.revoke(OPERATOR, whose, pat.id),
        lambda: mine.change(OPERATOR, whose, pat.id, TokenChanges("laptop")),
    )
    assert not any(core.active(token) for token in (secret, *outcomes) if isinstance(token, str))
    core.pat("alice", "orders:read", name="laptop")


@pytest.mark.asvs("2.3.4")
@each_round
def test_a_name_freed_by_an_expired_token_goes_to_one_token(core: Core, number: int) -> None:
    core.pat("alice", "orders:read", name="laptop", lifetime=AskedLifetime(expires_in=60))
    core.clock.advance(seconds=61)
    outcomes = at_once(*[lambda: core.pat("alice", "orders:read", name="laptop")] * MANY)
    assert len(successes(outcomes)) == 1


@each_round
def test_only_the_last_of_many_rotated_secrets_outlives_the_overlap(core: Core, number: int) -> None:
    key, first = core.key()
    rotated = successes(at_once(*[lambda: core.actions.api_keys.rotate(OPERATOR, key.id, 0)[1].token] * MANY))
    assert len(rotated) == MANY
    assert sum(core.active(str(secret)) for secret in (first, *rotated)) == 1


@pytest.mark.asvs("2.3.4")
@each_round
def test_parallel_requests_do_not_exceed_the_limit_of_live_secrets(core: Core, number: int) -> None:
    secrets = core.actions.client_secrets
    outcomes = at_once(*[lambda: secrets.create(OPERATOR, core.row_id("robot"), NewClientSecret())] * 8)
    assert len(successes(outcomes)) == 5


@each_round
def test_a_client_changed_to_a_key_gets_no_further_secret(core: Core, number: int) -> None:
    rows, client = core.actions.client_secrets, core.row_id("robot")
    to_key = ClientChanges(token_endpoint_auth_method="private_key_jwt", jwks_uri="https://keys.example/jwks")
    changed, secret = at_once(
        lambda: core.actions.clients.change(OPERATOR, client, to_key),
        lambda: rows.create(OPERATOR, client, NewClientSecret("late")),
    )
    assert len(successes([changed])) == 1
    assert len(rows.page(client, 10)[0]) == len(successes([secret]))


@each_round
def test_of_many_changes_of_a_list_one_is_applied_whole(core: Core, number: int) -> None:
    for name in NAMES:
        core.role(name, "user", "orders:read")
    users, roles = core.actions.users, core.actions.roles
    changes = [UserChanges(roles=tuple(NAMES[first : first + 2])) for first in range(MANY - 1)]
    user = core.row_id("alice")
    assert len(successes(at_once(*[lambda c=c: users.change(OPERATOR, user, c) for c in changes]))) == len(changes)
    assert users.get(user).roles in [change.roles for change in changes]
    [clerk] = roles.page(1, name="clerk")[0]
    gives = [RoleChanges(permissions=(scope,)) for scope in SCOPES]
    assert len(successes(at_once(*[lambda g=g: roles.change(OPERATOR, clerk.id, g) for g in gives]))) == len(gives)
    assert roles.get(clerk.id).permissions in [change.permissions for change in gives]


@each_round
def test_of_many_narrowings_of_a_key_one_is_applied_whole(core: Core, number: int) -> None:
    public = [f"orders:p{i}" for i in range(MANY)]
    for name in public:
        core.add_permission(ORDERS, name, public=True)
    key, _ = core.key()
    keys, changes = core.actions.api_keys, [KeyChanges(scopes=tuple(public[i : i + 2])) for i in range(MANY - 1)]
    assert len(successes(at_once(*[lambda c=c: keys.change(OPERATOR, key.id, c) for c in changes]))) == len(changes)
    assert keys.get(key.id).scopes in [change.scopes for change in changes]


@each_round
def test_a_deleted_resource_leaves_no_key_that_looks_active(core: Core, number: int) -> None:
    stock = core.row_id(STOCK)
    at_once(*[lambda: core.key(STOCK)] * MANY, lambda: core.actions.resources.delete(OPERATOR, stock))
    keys, _ = core.actions.api_keys.page(100)
    assert {key.status for key in keys} <= {"revoked"}


@each_round
def test_what_is_deleted_while_it_is_used_is_a_refusal_and_leaves_nothing(core: Core, number: int) -> None:
    core.role("guest", "user", "stock:read")
    [guest] = core.actions.roles.page(1, name="guest")[0]
    core.user("bob", "clerk")
    bob, stock = core.row_id("bob"), core.row_id(STOCK)
    at_once(
        lambda: core.actions.users.change(OPERATOR, bob, UserChanges(roles=("guest", "clerk"))),
        lambda: core.actions.users.change(OPERATOR, bob, UserChanges(roles=())),
        lambda: core.actions.roles.delete(OPERATOR, guest.id),
        lambda: core.actions.roles.change(OPERATOR, guest.id, RoleChanges(permissions=("orders:read",))),
        lambda: core.actions.resources.add_permission(OPERATOR, stock, NewPermission("stock:write")),
        lambda: core.actions.resources.change_permission(OPERATOR, stock, "stock:read", PermissionChanges(public=True)),
        lambda: core.actions.resources.delete_permission(OPERATOR, stock, "stock:read"),
        lambda: core.actions.resources.delete(OPERATOR, stock),
    )
    made = at_once(
        *[lambda name=name: core.pat("bob", "orders:read", name=name) for name in NAMES],
        lambda: core.actions.users.delete(OPERATOR, bob),
    )
    assert core.actions.roles.page(9, name="guest") == ([], None)
    assert not any(core.active(outcome[1]) for outcome in made if isinstance(outcome, tuple))


@each_round
def test_parallel_reports_of_a_leak_revoke_it_once(core: Core, number: int) -> None:
    leaked = [core.key()[1] for _ in range(MANY)] + [core.pat("alice", "orders:read", name=name)[1] for name in NAMES]
    actor = OPERATOR
    ended = at_once(*[lambda n=n: core.actions.report_leak(actor, leaked[n:] + leaked[:n]) for n in range(MANY)])
    assert sum(outcome for outcome in ended if isinstance(outcome, int)) == len(leaked)


@each_round
def test_ended_windows_are_deleted_while_others_begin(core: Core, number: int) -> None:
    limiter = core.actions.spend_key_limit._limiter
    for key in NAMES:
        limiter.hit(key, 5, 10)
    core.clock.advance(seconds=11)
    windows = at_once(*[lambda key=key: limiter.hit(key, 5, 10).remaining for key in NAMES])
    assert windows == [4] * MANY
