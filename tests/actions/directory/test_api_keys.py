"""An operator's keys: issue, narrow, rotate with an overlap, disable, revoke."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args

import pytest

from app.access.scopes import Scopes
from app.actions.audit.actor import OPERATOR, Actor
from app.actions.directory.api_keys import LONGEST_OVERLAP, ApiKeyActions, KeyChanges, KeyStatus, KeyView, NewKey
from app.credentials.kind import RateLimit
from app.crypto.opaque import Prefix, prefix_of
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.models import ApiKey, Resource
from tests.core import ORDERS, START, STOCK, Core

pytestmark = pytest.mark.both_databases


def keys(core: Core) -> ApiKeyActions:
    return core.actions.api_keys


def rotate(core: Core, view: KeyView, overlap_seconds: int) -> str:
    return keys(core).rotate(OPERATOR, view.id, overlap_seconds)[1].token


def test_a_new_key_is_shown_with_all_but_its_secret(core: Core) -> None:
    ends = START + timedelta(days=1)
    limit = RateLimit(5, 60)
    view, token = core.key(expires_at=ends, rate_limit=limit, allowed_ips=("192.0.2.0/24", "2001:db8::/32"))
    assert prefix_of(token) is Prefix.API_KEY
    assert view == KeyView(
        id=view.id,
        name="a key",
        resource=ORDERS,
        scopes=("orders:list",),
        narrowed=False,
        hint=f"lk_key_…{token[-4:]}",
        created_at=START,
        expires_at=ends,
        last_used_at=None,
        enabled=True,
        rate_limit=limit,
        allowed_ips=("192.0.2.0/24", "2001:db8::/32"),
        status="active",
        revoked_at=None,
        revoked_reason=None,
    )
    assert keys(core).get(view.id) == view
    claims = core.verified(token)
    assert (claims.rate_limit, claims.expires_at, len(claims.allowed_networks)) == (limit, ends, 2)


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"scopes": ("orders:read",)}, "scopes"),  # not public
        ({"scopes": ("stock:read",)}, "scopes"),  # of another resource
        ({"scopes": ("orders:list", "nothing:such")}, "scopes"),
        ({"expires_at": START}, "expires_at"),
        ({"expires_at": START + timedelta(milliseconds=999)}, "expires_at"),
        ({"allowed_ips": ("192.0.2.1/24",)}, "allowed_ips"),
        ({"allowed_ips": ("example.org",)}, "allowed_ips"),
        ({"allowed_ips": ("192.0.2.0/33",)}, "allowed_ips"),
        ({"allowed_ips": ("",)}, "allowed_ips"),
    ],
)
def test_each_invalid_field_is_refused_and_named(core: Core, terms: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        core.key(**terms)
    assert [e.field for e in refusal.value.errors] == [field]
    assert core.count(ApiKey) == 0 and core.trace() == []


def test_a_key_opens_a_resource_that_exists_and_is_not_our_own_api(core: Core) -> None:
    own = core.resource("https://login.example/api/v1", "manage")
    with core.store.transaction() as session:
        session.get_one(Resource, own).built_in = True
    with pytest.raises(Invalid, match="takes no API keys"):
        keys(core).create(OPERATOR, NewKey("k", "https://login.example/api/v1"))
    with pytest.raises(Invalid, match="no such resource"):
        keys(core).create(OPERATOR, NewKey("k", "https://nowhere.example"))


@pytest.mark.contract("lifetime of an API key: optional")
def test_a_key_ends_at_its_expiry(core: Core) -> None:
    view, token = core.key(expires_at=START + timedelta(seconds=1))
    core.clock.advance(seconds=1, microseconds=-1)
    assert core.active(token)
    core.clock.advance(microseconds=1)
    assert not core.active(token) and keys(core).get(view.id).status == "expired"


def test_rotating_without_an_overlap_ends_the_old_secret_at_once(core: Core) -> None:
    view, old = core.key()
    new = rotate(core, view, 0)
    assert not core.active(old) and core.active(new)
    shown = keys(core).get(view.id)
    assert shown.hint == f"lk_key_…{new[-4:]}" and (shown.id, shown.status) == (view.id, "active")


def test_the_old_secret_works_until_the_overlap_ends(core: Core) -> None:
    view, old = core.key()
    new = rotate(core, view, 60)
    assert core.verified(old).credential_id == core.verified(new).credential_id == view.id
    assert core.verified(old).secret_ends_at == START + timedelta(seconds=60)
    assert core.verified(new).secret_ends_at is None
    core.clock.now = START + timedelta(seconds=60, microseconds=-1)
    assert core.active(old)
    core.clock.now = START + timedelta(seconds=60)
    assert not core.active(old) and core.active(new)


@pytest.mark.parametrize(("second", "first_lives"), [(10, 10), (0, 0), (1000, 59)])
def test_a_second_rotation_never_lengthens_an_overlap(core: Core, second: int, first_lives: int) -> None:
    view, first = core.key()
    middle = rotate(core, view, 60)
    core.clock.advance(seconds=1)
    last = rotate(core, view, second)
    at = core.clock()
    for seconds in (0, 5, 10, 58, 59, 999, 1000):
        core.clock.now = at + timedelta(seconds=seconds)
        assert core.active(first) is (seconds < first_lives)
        assert core.active(middle) is (seconds < second)
        assert core.active(last)


def test_an_overlap_does_not_outlive_the_key(core: Core) -> None:
    view, old = core.key(expires_at=START + timedelta(seconds=30))
    new = rotate(core, view, 60)
    core.clock.advance(seconds=30)
    assert not core.active(old) and not core.active(new)


@pytest.mark.parametrize("overlap", [-1, LONGEST_OVERLAP + 1])
def test_an_overlap_lasts_at_most_a_week(core: Core, overlap: int) -> None:
    view, old = core.key()
    with pytest.raises(Invalid, match="overlap_seconds"):
        rotate(core, view, overlap)
    assert core.active(old) and core.trace("api_key.rotate") == []
    rotate(core, view, LONGEST_OVERLAP)


def test_an_expired_or_revoked_key_is_not_rotated(core: Core) -> None:
    revoked, _ = core.key()
    keys(core).revoke(OPERATOR, revoked.id)
    expired, _ = core.key(expires_at=START + timedelta(seconds=1))
    core.clock.advance(seconds=1)
    for view, word in ((revoked, "revoked"), (expired, "expired")):
        with pytest.raises(Conflict, match=word):
            rotate(core, view, 0)


def test_a_disabled_key_works_with_none_of_its_secrets(core: Core) -> None:
    view, old = core.key()
    new = rotate(core, view, 60)
    assert keys(core).change(OPERATOR, view.id, KeyChanges(enabled=False)).status == "disabled"
    assert not core.active(old) and not core.active(new)
    assert keys(core).change(OPERATOR, view.id, KeyChanges(enabled=True)).status == "active"
    assert core.active(old) and core.active(new)


def test_a_key_can_be_created_disabled(core: Core) -> None:
    view, token = core.key(enabled=False)
    assert view.status == "disabled" and not core.active(token)


def test_a_revoked_key_stays_revoked(core: Core) -> None:
    view, old = core.key()
    new = rotate(core, view, 60)
    keys(core).revoke(OPERATOR, view.id)
    core.clock.advance(seconds=1)
    keys(core).revoke(OPERATOR, view.id)
    assert not core.active(old) and not core.active(new)
    shown = keys(core).get(view.id)
    assert (shown.status, shown.revoked_at, shown.revoked_reason) == ("revoked", START, "revoked by an operator")
    with pytest.raises(Conflict):
        keys(core).change(OPERATOR, view.id, KeyChanges(enabled=True))
    assert len(core.trace("api_key.revoke")) == 1


def test_fields_that_are_not_given_do_not_change(core: Core) -> None:
    view, token = core.key(rate_limit=RateLimit(5, 60), allowed_ips=("192.0.2.0/24",), scopes=("orders:list",))
    assert keys(core).change(OPERATOR, view.id, KeyChanges()) == view
    changed = keys(core).change(OPERATOR, view.id, KeyChanges(name="renamed"))
    assert (changed.name, changed.rate_limit, changed.allowed_ips) == ("renamed", view.rate_limit, view.allowed_ips)
    assert core.active(token)


def test_each_field_can_be_changed_and_reset(core: Core) -> None:
    core.publish("orders:read", True)
    view, token = core.key()
    ends = START + timedelta(days=2)
    changes = KeyChanges("n", ("orders:read",), ends, RateLimit(1, 2), ("::1/128",))
    changed = keys(core).change(OPERATOR, view.id, changes)
    assert (changed.scopes, changed.narrowed, changed.expires_at) == (("orders:read",), True, ends)
    assert (changed.rate_limit, changed.allowed_ips) == (RateLimit(1, 2), ("::1/128",))
    assert core.scope(token) == "orders:read"
    back = keys(core).change(OPERATOR, view.id, KeyChanges("a key", None, None, None, ()))
    assert back == view and core.scope(token) == "orders:list orders:read"


@pytest.mark.parametrize(
    "changes",
    [
        KeyChanges(scopes=("orders:write",)),
        KeyChanges(expires_at=START),
        KeyChanges(allowed_ips=("nonsense",)),
    ],
)
def test_an_invalid_change_changes_nothing(core: Core, changes: KeyChanges) -> None:
    view, _ = core.key()
    with pytest.raises(Invalid):
        keys(core).change(OPERATOR, view.id, changes)
    assert keys(core).get(view.id) == view and core.trace("api_key.update") == []


def test_a_key_of_a_deleted_resource_is_still_listed(core: Core) -> None:
    view, _ = core.key()
    core.delete(ORDERS)
    shown = keys(core).get(view.id)
    assert (shown.resource, shown.scopes) == (None, ())
    with pytest.raises(Conflict, match="resource is gone"):
        keys(core).change(OPERATOR, view.id, KeyChanges(scopes=("orders:list",)))


def test_lists_are_filtered_by_status_and_resource(core: Core) -> None:
    made = {
        "active": core.key()[0].id,
        "disabled": core.key(enabled=False)[0].id,
        "expired": core.key(expires_at=START + timedelta(seconds=1))[0].id,
        "revoked": core.key(STOCK)[0].id,
    }
    keys(core).revoke(OPERATOR, made["revoked"])
    core.clock.advance(seconds=1)
    statuses = get_args(KeyStatus)
    found = {status: [v.id for v in keys(core).page(9, status=status)[0]] for status in statuses}
    assert found == {status: [id] for status, id in made.items()}
    assert [v.id for v in keys(core).page(9, resource=STOCK)[0]] == [made["revoked"]]
    first, cursor = keys(core).page(3)
    rest, end = keys(core).page(3, cursor)
    assert len(first) == 3 and end is None and {v.id for v in first + rest} == set(made.values())


def test_a_delegate_creates_and_reveals_no_key(core: Core) -> None:
    delegate = Actor("user", "somebody", management=Scopes.of("manage"), delegated=True)
    view, old = core.key()
    with pytest.raises(Forbidden):
        core.key(actor=delegate)
    with pytest.raises(Forbidden):
        keys(core).rotate(delegate, view.id, 0)
    assert core.active(old) and core.count(ApiKey) == 1


def test_an_unknown_key_is_not_found(core: Core) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: keys(core).get("key_none"),
        lambda: keys(core).rotate(OPERATOR, "key_none", 0),
        lambda: keys(core).change(OPERATOR, "key_none", KeyChanges(name="n")),
        lambda: keys(core).revoke(OPERATOR, "key_none"),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound):
            attempt()
