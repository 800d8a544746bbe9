"""Indexes and lists while others change rights at the same moment."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from random import Random
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import delete, event
from sqlalchemy.exc import OperationalError

from app.actions.audit.actor import OPERATOR, Actor
from app.actions.directory.clients import ClientChanges
from app.actions.directory.roles import RoleChanges
from app.actions.directory.users import UserChanges
from app.actions.status import indexes, judge
from app.actions.status import lists as status_lists
from app.errors import LatchkeyError
from app.models import ClientRole, StatusChange, StatusEntry
from tests.actions.status.published import is_invalid, is_refused, position_of, read_list
from tests.core import Core

pytestmark = pytest.mark.both_databases
MANY = 6


def in_thread(work: Callable[[], object]) -> None:
    """Do it in another thread, with connections of its own, to the end."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def at_once(works: list[Callable[[], Any]]) -> list[Any]:
    together = Barrier(len(works))

    def begin(work: Callable[[], Any]) -> Any:
        together.wait(20)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(begin, works))


def test_threads_that_issue_for_the_same_new_decision_get_one_index(core: Core) -> None:
    tokens = at_once([lambda: core.m2m("robot", "orders:read")] * MANY)
    assert len({position_of(token) for token in tokens}) == 1 and core.count(StatusEntry) == 1


def test_threads_that_issue_different_tokens_get_different_indexes(core: Core) -> None:
    secrets = [core.pat("alice", "orders:read", name=f"laptop {n}")[1] for n in range(MANY)]
    tokens = at_once([partial(core.exchange, secret) for secret in secrets])
    assert len({position_of(token) for token in tokens}) == MANY


@pytest.mark.contract("whatever ends or shrinks those rights sets the bit in its own transaction")
@pytest.mark.parametrize("most", [256, 0])
@pytest.mark.parametrize("moment", ["before settling", "after settling"])
def test_a_change_between_the_decision_and_its_index_is_not_missed(
    core: Core, monkeypatch: pytest.MonkeyPatch, moment: str, most: int
) -> None:
    monkeypatch.setattr(indexes, "MOST_INDEXES", most)
    judging: Any = core.actions.issue_machine_token._indexes._judge
    settle = judging.settle

    def interrupted(at: object) -> None:
        monkeypatch.setattr(judging, "settle", settle)
        if moment == "after settling":
            settle(at)
        in_thread(lambda: core.assign("robot"))

    monkeypatch.setattr(judging, "settle", interrupted)
    token = core.m2m("robot", "orders:read")
    assert core.scope(token) == "" and is_invalid(core, token)
    core.assign("robot", "worker")
    assert not is_invalid(core, core.m2m("robot", "orders:read"))


def test_a_client_that_is_deleted_meanwhile_gets_a_refusal(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    judging: Any = core.actions.issue_machine_token._indexes._judge
    monkeypatch.setattr(judging, "settle", lambda at: in_thread(lambda: core.delete("robot")))
    with pytest.raises(LatchkeyError, match="deleted"):
        core.m2m("robot", "orders:read")


def test_a_list_that_was_read_has_a_token_that_was_born_ended(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    first = core.m2m("robot", "orders:read")
    assert not is_invalid(core, first)
    judging: Any = core.actions.issue_machine_token._indexes._judge
    settle = judging.settle

    def interrupted(at: object) -> None:
        monkeypatch.setattr(judging, "settle", settle)
        in_thread(lambda: core.enable("robot", False))
        assert is_invalid(core, first)  # the list as of after the change, and before the index

    monkeypatch.setattr(judging, "settle", interrupted)
    late = core.m2m("robot", "orders:write")
    assert position_of(late)[0] == position_of(first)[0] and is_invalid(core, late)


def test_a_change_that_is_rolled_back_changes_nothing(core: Core) -> None:
    token = core.m2m("robot", "orders:read")
    with suppress(ZeroDivisionError), core.store.transaction() as session:
        session.execute(delete(ClientRole))
        raise ZeroDivisionError
    assert not is_invalid(core, token) and core.count(StatusChange) == 0


def test_many_threads_that_issue_and_change_meet_refusals_only_and_the_lists_are_right(core: Core) -> None:
    core.app("app")
    pats = [core.pat("alice", "orders:read", "orders:write", name=f"laptop {n}") for n in range(3)]
    grants = [core.delegate("alice", "app", "orders:read").refresh_token or "" for _ in range(3)]
    serial, issued = count(), list[str]()
    worker = _role_id(core)

    def work(random: Random) -> None:
        actions, alice, robot = core.actions, core.row_id("alice"), core.row_id("robot")
        app = actions.authenticate_client.find("app")
        things: list[Callable[[], Any]] = [
            lambda: issued.append(
                core.m2m("robot", random.choice((None, "orders:read")), "https://api.example/orders")
            ),
            lambda: issued.append(core.exchange(random.choice(pats)[1], client_id=random.choice((None, "robot")))),
            lambda: issued.append(core.delegate("alice", "app", "orders:read").access.token),
            lambda: issued.append(actions.refresh(Actor("client", "app"), app, random.choice(grants)).access.token),
            lambda: actions.revoke_token(OPERATOR, issued[-1], random.choice(("robot", "app"))),
            lambda: actions.report_leak(OPERATOR, issued[-3:]),
            lambda: actions.users.change(OPERATOR, alice, UserChanges(enabled=random.random() < 0.7)),
            lambda: actions.clients.change(OPERATOR, robot, ClientChanges(enabled=random.random() < 0.7)),
            lambda: actions.roles.change(OPERATOR, worker, RoleChanges(permissions=random.choice(PERMISSIONS))),
            lambda: actions.personal_access_tokens.regenerate(OPERATOR, alice, random.choice(pats)[0].id),
            lambda: actions.rotate_signing_key(OPERATOR),
            lambda: core.actions.status_lists.get(1),
        ]
        for _ in range(12):
            next(serial)
            with suppress(LatchkeyError, IndexError):  # or none has been issued yet
                random.choice(things)()

    at_once([partial(work, Random(seed)) for seed in range(MANY)])
    assert next(serial) == 12 * MANY and issued
    for token in issued:
        assert is_invalid(core, token) or not is_refused(core, token)


PERMISSIONS = (("orders:read",), ("orders:read", "orders:write", "orders:list", "stock:read"))


def _role_id(core: Core) -> str:
    [[role_id]] = core.database.execute("SELECT id FROM role WHERE name = 'worker'")
    return str(role_id)


@contextmanager
def counting_commits(core: Core) -> Iterator[list[int]]:
    """Count the transactions that are committed."""
    commits: list[int] = []

    def note(_: object) -> None:
        commits.append(1)

    event.listen(core.store.engine, "commit", note)
    yield commits
    event.remove(core.store.engine, "commit", note)


def are_invalid(core: Core, tokens: list[str]) -> set[bool]:
    """Return the bits of tokens of one list, which is read once."""
    [uri] = {position_of(token)[0] for token in tokens}
    published = read_list(core, uri)
    return {published.is_invalid(position_of(token)[1]) for token in tokens}


def test_a_role_of_many_is_judged_in_short_transactions(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "SUBJECTS_AT_ONCE", 10)
    clients = [f"robot{number}" for number in range(35)]
    for client in clients:
        core.client(client, "worker")
    tokens = [core.m2m(client, "orders:write") for client in clients]
    with counting_commits(core) as commits:
        core.drop_permission("orders:write")
        assert are_invalid(core, tokens) == {True}
    assert len(commits) == 1 + 1 + 4  # the change, who has the role, and ten of them at a time


def test_a_client_of_many_exchanged_tokens_is_judged_in_short_transactions(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "SUBJECTS_AT_ONCE", 10)
    core.client("gate", "worker")
    secrets = [core.pat("alice", "orders:read", name=f"laptop {number}")[1] for number in range(25)]
    tokens = [core.exchange(secret, client_id="gate") for secret in secrets]
    with counting_commits(core) as commits:
        core.enable("gate", False)
        assert are_invalid(core, tokens) == {True}
    assert len(commits) == 1 + 1 + 3  # the change, the owners of the tokens, and ten of them at a time
    core.enable("gate", True)
    assert are_invalid(core, tokens) == {False}


def test_one_thread_builds_a_list_for_all_that_wait(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    token = core.m2m("robot", "orders:read")
    number = int(position_of(token)[0].rsplit("/", 1)[1], 16)
    lists: Any = core.actions.status_lists
    signs, sign = [], lists._sign

    def note(*args: Any) -> Any:
        signs.append(1)
        return sign(*args)

    together = Barrier(MANY)

    def get(_: int) -> Any:
        together.wait(20)
        return lists.get(number)

    with ThreadPoolExecutor(MANY) as pool:
        list(pool.map(get, range(MANY)))  # each opens its connection
        core.enable("robot", False)
        monkeypatch.setattr(lists, "_sign", note)
        found = list(pool.map(get, range(MANY)))
    assert len(signs) == 1 and len({one.token for one in found}) == 1


def test_who_waits_for_a_list_takes_the_next_one_although_more_has_changed(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists: Any = core.actions.status_lists
    number = int(position_of(core.m2m("robot", "orders:read"))[0].rsplit("/", 1)[1], 16)
    asked, builds, epoch, settle = Barrier(MANY + 1), list[object](), lists._epoch, lists._judge.settle
    pool = ThreadPoolExecutor(MANY)
    monkeypatch.setattr(status_lists, "PATIENCE", 20)

    def note_and_wait() -> int:
        found: int = epoch()
        if lists._building.locked() and not builds:
            asked.wait(20)
        return found

    def settle_and_change(at: Any) -> None:
        builds.append(settle(at))
        in_thread(lambda: core.enable("robot", len(builds) % 2 == 0))

    monkeypatch.setattr(lists, "_epoch", note_and_wait)
    monkeypatch.setattr(lists._judge, "settle", settle_and_change)
    with pool:
        lists._building.acquire()
        waiting = [pool.submit(lists.get, number) for _ in range(MANY)]
        asked.wait(20)
        asked.reset()
        monkeypatch.setattr(lists, "_epoch", epoch)
        lists._building.release()
        assert all(one.result() for one in waiting)
    assert len(builds) == 1


def test_nobody_waits_long_for_a_list_and_a_kept_one_needs_no_wait(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    lists: Any = core.actions.status_lists
    token = core.m2m("robot", "orders:read")
    assert not is_invalid(core, token)
    monkeypatch.setattr(status_lists, "PATIENCE", 0.01)
    with lists._building:  # as while the database is locked
        assert not is_invalid(core, token)
        core.enable("robot", False)
        with pytest.raises(OperationalError):
            is_invalid(core, token)
    assert is_invalid(core, token)


def test_a_list_is_never_stale_while_the_database_fails(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    token = core.m2m("robot", "orders:read")
    assert not is_invalid(core, token)
    core.enable("robot", False)

    def fail(*_: object) -> None:
        raise OperationalError("", None, Exception("the disk is full"))

    judging: Any = core.actions.status_lists._judge
    monkeypatch.setattr(judging, "_settle_some", fail)
    with pytest.raises(OperationalError):
        is_invalid(core, token)
    monkeypatch.undo()
    assert is_invalid(core, token)
