"""Which index a JWT gets, how many there are, and when lists end."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, select

from app.actions.audit.actor import OPERATOR
from app.actions.directory.roles import RoleChanges
from app.actions.status import indexes
from app.models import RevokedToken, StatusEntry, StatusList, StatusSubject
from tests.actions.status.published import Position, is_invalid, position_of, read_list
from tests.core import ORDERS, STOCK, Core, contents

pytestmark = pytest.mark.both_databases
ALL = ("orders:read", "orders:write", "orders:list")


def positions(*tokens: str) -> list[Position]:
    return [position_of(token) for token in tokens]


@pytest.mark.contract("an index stands for what a token was decided from: issuing again writes no row")
def test_tokens_of_the_same_decision_share_an_index_and_issuing_again_writes_nothing(core: Core) -> None:
    first = core.m2m("robot", "orders:read")
    rows = core.count(StatusEntry), core.count(StatusSubject), core.count(StatusList)
    again = [core.m2m("robot", "orders:read") for _ in range(5)]
    assert set(positions(*again)) == {position_of(first)}
    assert (core.count(StatusEntry), core.count(StatusSubject), core.count(StatusList)) == rows


@pytest.mark.contract("an index stands for what a token was decided from: issuing again writes no row")
def test_tokens_of_different_rights_owners_or_secrets_never_share_one(core: Core) -> None:
    core.client("gate", "worker")
    pat, secret = core.pat("alice", "orders:read", "orders:write")
    _, other = core.pat("alice", "orders:read", "orders:write", name="desk")
    tokens = [
        core.m2m("robot", "orders:read"),
        core.m2m("robot", "orders:write"),
        core.m2m("robot", "orders:read", ORDERS, STOCK),
        core.m2m("gate", "orders:read"),
        core.exchange(secret, "orders:read"),
        core.exchange(secret),
        core.exchange(secret, client_id="gate"),
        core.exchange(other),
    ]
    _, issued = core.actions.personal_access_tokens.regenerate(OPERATOR, core.row_id("alice"), pat.id)
    assert len({*positions(*tokens, core.exchange(issued.token))}) == len(tokens) + 1


@pytest.mark.contract("what is asked for afterwards gets a fresh index")
def test_what_is_issued_after_a_change_has_another_index(core: Core) -> None:
    before = core.m2m("robot", "orders:read")
    core.assign("robot")
    assert is_invalid(core, before)
    core.assign("robot", "worker")
    assert not is_invalid(core, before)  # as introspection, it is active again
    after = core.m2m("robot", "orders:read")
    assert position_of(after) != position_of(before)


@pytest.mark.contract("revoking one JWT ends its siblings of the same decision in the list")
def test_revoking_one_ends_its_siblings_in_the_list_alone_and_no_token_issued_later(core: Core) -> None:
    one, sibling, other = (
        core.m2m("robot", "orders:read"),
        core.m2m("robot", "orders:read"),
        core.m2m("robot", None, ORDERS),
    )
    core.actions.revoke_token(OPERATOR, one, "robot")
    assert is_invalid(core, one) and is_invalid(core, sibling) and not is_invalid(core, other)
    assert core.active(sibling)  # introspection stays exact
    assert not is_invalid(core, core.m2m("robot", "orders:read"))


def test_a_key_that_was_rotated_ends_no_index_and_one_that_was_revoked_ends_its_own(core: Core) -> None:
    before = core.m2m("robot", "orders:read")
    kid = core.actions.rotate_signing_key.list()[0].kid
    core.actions.rotate_signing_key(OPERATOR)
    after = core.m2m("robot", "orders:read")
    assert not is_invalid(core, before) and position_of(after) != position_of(before)
    core.actions.rotate_signing_key.revoke(OPERATOR, kid)
    assert is_invalid(core, before) and not is_invalid(core, after)


def test_an_owner_has_a_bounded_number_of_indexes(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "MOST_INDEXES", 2)
    own = [core.m2m("robot", "orders:read"), core.m2m("robot", "orders:write")]
    shared = [core.m2m("robot", "orders:list"), core.m2m("robot", None, ORDERS), core.m2m("robot", None, STOCK)]
    assert len({*positions(*own)}) == 2
    assert len({*positions(*shared)}) == 1 and position_of(shared[0]) not in positions(*own)
    assert positions(*own) == positions(core.m2m("robot", "orders:read"), core.m2m("robot", "orders:write"))


def test_an_index_of_many_decisions_is_ended_by_any_change_and_another_follows(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "MOST_INDEXES", 0)
    before = core.m2m("robot", "orders:read")
    core.enable("robot", False)
    core.enable("robot", True)
    after = core.m2m("robot", "orders:read")
    assert is_invalid(core, before) and not is_invalid(core, after)


def test_an_index_of_many_decisions_depends_on_the_client_that_exchanged(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "MOST_INDEXES", 0)
    core.client("gate", "worker")
    _, secret = core.pat("alice", "orders:read")
    through = [core.exchange(secret, client_id=name) for name in (None, "robot", "gate")]
    core.enable("gate", False)
    assert is_invalid(core, through[2]) and len({*positions(*through)}) == 3
    assert not is_invalid(core, core.exchange(secret, client_id="robot"))


def _key(token: str) -> tuple[int, int]:
    uri, index = position_of(token)
    return int(uri.rsplit("/", 1)[1], 16), index


def test_a_full_list_is_followed_by_another(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "CAPACITY", 2)
    tokens = [core.m2m("robot", scope) for scope in (*ALL, None) if scope] + [core.m2m("robot", None, STOCK)]
    assert [index for _, index in positions(*tokens)] == [0, 1, 0, 1]
    assert len({uri for uri, _ in positions(*tokens)}) == 2
    core.assign("robot")
    assert all(is_invalid(core, token) for token in tokens)


def test_a_list_serves_the_tokens_that_expire_on_one_day(core: Core) -> None:
    core.clock.now = datetime(2030, 1, 1, 22, 59, 59, tzinfo=UTC)
    today = core.m2m("robot", "orders:read")
    core.clock.advance(seconds=1)
    tomorrow = core.m2m("robot", "orders:read")
    assert position_of(today)[0] != position_of(tomorrow)[0]
    assert contents(tomorrow)["exp"] == datetime(2030, 1, 2, tzinfo=UTC).timestamp()


@pytest.mark.contract("a list is kept until its last token has expired, then it is gone")
def test_a_list_is_gone_when_its_last_token_has_expired_and_its_rows_are_deleted(core: Core) -> None:
    token = core.m2m("robot", "orders:read")
    number, _ = _key(token)
    core.clock.now = datetime(2030, 1, 2, tzinfo=UTC)
    assert core.actions.status_lists.get(number) is not None  # another node's clock may be behind
    core.clock.advance(minutes=1)
    assert core.actions.status_lists.get(number) is None and core.actions.status_lists.addresses() == []
    later = core.m2m("robot", "orders:read")
    assert position_of(later)[0] != position_of(token)[0]
    core.m2m("robot", "orders:write")
    assert (core.count(StatusEntry), core.count(StatusSubject), core.count(StatusList)) == (2, 2, 1)
    with core.store.reading() as session:
        assert session.scalars(select(StatusEntry.number).distinct()).all() == [_key(later)[0]]


def test_no_number_is_used_twice(core: Core) -> None:
    seen = []
    for _ in range(4):
        seen.append(_key(core.m2m("robot", "orders:read"))[0])
        core.clock.advance(days=3)
    assert seen == sorted(set(seen))


def test_an_index_that_is_refused_stays_so_where_a_clock_is_behind(core: Core) -> None:
    token = core.m2m("robot", "orders:read")
    core.enable("robot", False)
    assert is_invalid(core, token)
    core.clock.advance(seconds=-20)
    core.give("worker")  # no change, and the list is read again
    core.assign("robot")
    assert is_invalid(core, token)


def test_lists_that_nobody_reads_leave_the_memory(core: Core) -> None:
    lists: Any = core.actions.status_lists
    for _ in range(5):
        read_list(core, position_of(core.m2m("robot", "orders:read"))[0])
        core.clock.advance(days=2)
    assert len(lists._kept) <= 2


def test_a_source_that_is_shortened_by_hand_ends_its_index_when_it_does(core: Core) -> None:
    view, secret = core.pat("alice", "orders:read")
    token = core.exchange(secret)
    ends = core.clock() + timedelta(minutes=5)
    core.database.execute(
        "UPDATE personal_access_token SET expires_at = :ends WHERE id = :id",
        ends=int(ends.timestamp() * 1_000_000),
        id=view.id,
    )
    assert not is_invalid(core, token) and core.active(token)
    core.clock.now = ends
    assert is_invalid(core, token) and not core.active(token)


def test_a_scope_of_the_management_api_that_was_lost_does_not_return_to_a_list(core: Core) -> None:
    core.database.execute(
        "UPDATE resource SET built_in = :built_in WHERE identifier = :orders", built_in=True, orders=ORDERS
    )
    [[role]] = core.database.execute("SELECT id FROM role WHERE name = 'worker'")
    token = core.m2m("robot", "orders:read")
    core.actions.roles.change(OPERATOR, str(role), RoleChanges(permissions=("stock:read",)))
    core.actions.roles.change(OPERATOR, str(role), RoleChanges(permissions=("stock:read", "orders:read")))
    assert core.scope(token) == "" and is_invalid(core, token)
    later = core.m2m("robot", "orders:read")
    assert core.scope(later) == "orders:read" and not is_invalid(core, later)


def test_a_database_that_is_only_read_publishes_lists(core: Core) -> None:
    token = core.m2m("robot", "orders:read")
    core.actions.status_lists._kept.clear()
    with counting_writes(core) as writes:
        assert not is_invalid(core, token)
        core.m2m("robot", "orders:read")
    assert writes == []


@contextmanager
def counting_writes(core: Core) -> Iterator[list[int]]:
    """Note each transaction that is begun to write."""
    begun: list[int] = []

    def note(_: object) -> None:
        begun.append(1)

    event.listen(core.store.engine, "begin", note)
    yield begun
    event.remove(core.store.engine, "begin", note)


def test_a_server_from_before_status_lists_ends_what_it_revokes(core: Core) -> None:
    token = core.m2m("robot", "orders:read")
    assert not is_invalid(core, token)
    with core.store.transaction() as session:  # as that server writes it, on the same database
        old = {
            "jti": contents(token)["jti"],
            "expires_at": core.clock() + timedelta(days=40),
            "revoked_at": core.clock(),
        }
        session.execute(insert(RevokedToken).values(old))
    assert not core.active(token) and is_invalid(core, token)
    after = core.m2m("robot", "orders:read")
    assert position_of(after) != position_of(token) and not is_invalid(core, after)
