"""A change and its audit event are committed together or not at all, and no audit event holds a secret."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection

from app.access.scopes import Scopes
from app.actions.audit import chain as audit_chain
from app.actions.audit.actor import OPERATOR, Actor, anonymous
from app.actions.audit.read import AuditFilter
from app.actions.directory.api_keys import KeyChanges
from app.actions.directory.personal_access_tokens import TokenChanges
from app.crypto.opaque import digest
from app.database.types import Base
from tests.core import ORDERS, START, Core

pytestmark = pytest.mark.both_databases

ACTOR = Actor("client", "console", "The console", "m2m_1", Scopes.of("manage"), False, "192.0.2.9", "req-7")


@dataclass
class Scene:
    """A core with one credential of each kind."""

    core: Core
    pat: str
    pat_id: str
    key: str
    key_id: str
    machine: str

    @property
    def alice(self) -> str:
        return self.core.row_id("alice")


@pytest.fixture
def scene(core: Core) -> Scene:
    pat_view, pat = core.pat("alice", "orders:read", name="one")
    key_view, key = core.key()
    return Scene(core, pat, pat_view.id, key, key_view.id, core.m2m("robot", "orders:read"))


Change = Callable[[Scene], object]
CHANGES: dict[str, Change] = {
    "personal_access_token.create": lambda s: s.core.pat("alice", "orders:read", name="two", actor=ACTOR),
    "personal_access_token.regenerate": lambda s: s.core.actions.personal_access_tokens.regenerate(
        ACTOR, s.alice, s.pat_id
    ),
    "personal_access_token.update": lambda s: s.core.actions.personal_access_tokens.change(
        ACTOR, s.alice, s.pat_id, TokenChanges(name="new", description="new")
    ),
    "personal_access_token.revoke": lambda s: s.core.actions.personal_access_tokens.revoke(ACTOR, s.alice, s.pat_id),
    "api_key.create": lambda s: s.core.key(ORDERS, actor=ACTOR),
    "api_key.withdraw": lambda s: s.core.actions.api_keys.withdraw(ACTOR, s.key_id, s.key),
    "api_key.rotate": lambda s: s.core.actions.api_keys.rotate(ACTOR, s.key_id, 60),
    "api_key.update": lambda s: s.core.actions.api_keys.change(
        ACTOR, s.key_id, KeyChanges(name="new", enabled=False, scopes=("orders:list",))
    ),
    "api_key.revoke": lambda s: s.core.actions.api_keys.revoke(ACTOR, s.key_id),
    "token.revoke": lambda s: s.core.actions.revoke_token(ACTOR, s.machine, "robot"),
    "signing_key.rotate": lambda s: s.core.actions.rotate_signing_key(ACTOR),
    "credential.report_leak": lambda s: s.core.actions.report_leak(ACTOR, [s.key]),
}
each_change = pytest.mark.parametrize("name", CHANGES)


def everything(core: Core) -> dict[str, list[Any]]:
    """Read every row of every table, past our own code."""
    return {
        table: sorted(core.database.execute(f'SELECT * FROM "{table}"'), key=repr)  # noqa: S608
        for table in Base.metadata.tables
    }


class Broken(Exception):
    """What the test makes go wrong."""


@pytest.mark.asvs("2.3.3")
@pytest.mark.contract("a change that is rolled back leaves no gap, none is made without a trace")
@each_change
def test_a_failure_after_the_change_leaves_neither_change_nor_trace(
    scene: Scene, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(scene.core)
    seen: list[dict[str, list[Any]]] = []

    append = audit_chain.append

    def append_and_break(connection: Connection, events: Any) -> None:
        append(connection, events)  # the last that is done before the commit
        seen.append({table: list(connection.exec_driver_sql(f'SELECT * FROM "{table}"')) for table in before})  # noqa: S608
        raise Broken

    monkeypatch.setattr(audit_chain, "append", append_and_break)
    with pytest.raises(Broken):
        CHANGES[name](scene)
    assert len(seen[0]["audit_event"]) > len(before["audit_event"])
    assert sum(len(rows) for rows in seen[0].values()) > sum(len(rows) for rows in before.values())
    assert everything(scene.core) == before
    assert all(scene.core.active(token) for token in (scene.pat, scene.key, scene.machine))


@each_change
def test_a_change_leaves_one_event_with_actor_action_time_and_address(scene: Scene, name: str) -> None:
    before = len(scene.core.trace())
    scene.core.clock.advance(seconds=5)
    CHANGES[name](scene)
    (event,) = scene.core.trace()[before:]
    assert event.action == name and event.at == scene.core.clock()
    assert (event.actor_type, event.actor, event.actor_name) == ("client", "console", "The console")
    assert (event.address, event.request_id) == ("192.0.2.9", "req-7")
    assert event.details["via"] == "m2m_1"
    assert event.target_type and event.target


def test_no_trace_holds_a_secret_or_a_digest(scene: Scene) -> None:
    secrets = [scene.pat, scene.key, scene.machine, scene.core.client_secret("robot")]
    secrets.append(scene.core.exchange(scene.pat))
    for name in (
        "personal_access_token.create",
        "personal_access_token.regenerate",
        "api_key.create",
        "api_key.rotate",
    ):
        made: Any = CHANGES[name](scene)
        secrets.append(made[1] if isinstance(made[1], str) else made[1].token)
    for secret in secrets:
        scene.core.actions.report_leak(anonymous(None, None), [secret])
    written = repr(everything(scene.core)["audit_event"])
    assert len(scene.core.trace("credential.report_leak")) >= 5
    for secret in secrets:
        assert secret not in written and digest(secret) not in written and secret[-20:] not in written


def test_what_is_refused_leaves_no_trace(scene: Scene) -> None:
    before = everything(scene.core)
    refused: list[Change] = [
        lambda s: s.core.pat("alice", "orders:read", name="one"),
        lambda s: s.core.pat("alice", "no:such", name="three"),
        lambda s: s.core.key("https://nowhere.example"),
        lambda s: s.core.actions.api_keys.rotate(OPERATOR, s.key_id, -1),
        lambda s: s.core.actions.revoke_token(OPERATOR, s.machine, "another"),
    ]
    for attempt in refused:
        with pytest.raises(Exception, match=r".+"):
            attempt(scene)
    assert everything(scene.core) == before


def test_the_trace_is_read_newest_first_page_by_page(core: Core) -> None:
    for i in range(5):
        core.pat("alice", "orders:read", name=f"{i}")
    read = core.actions.audit
    first, after = read.page(AuditFilter(), 2, None)
    second, after_that = read.page(AuditFilter(), 2, after)
    third, end = read.page(AuditFilter(), 2, after_that)
    ids = [event.id for event in (*first, *second, *third)]
    assert ids == sorted(ids, reverse=True) and len(ids) == 5 and end is None
    assert read.page(AuditFilter(), 5, None)[1] is None


def test_the_trace_is_filtered(scene: Scene) -> None:
    scene.core.clock.advance(seconds=10)
    CHANGES["personal_access_token.revoke"](scene)
    read = scene.core.actions.audit

    def find_actions(**wanted: Any) -> list[str]:
        return [event.action for event in read.page(AuditFilter(**wanted), 50, None)[0]]

    assert find_actions() == ["personal_access_token.revoke", "api_key.create", "personal_access_token.create"]
    assert find_actions(actor="console") == find_actions(since=scene.core.clock()) == ["personal_access_token.revoke"]
    assert find_actions(action="api_key.create") == find_actions(target=scene.key_id) == ["api_key.create"]
    assert find_actions(target=scene.pat_id, until=scene.core.clock()) == ["personal_access_token.create"]
    assert find_actions(since=START, until=START) == [] == find_actions(actor="nobody")
