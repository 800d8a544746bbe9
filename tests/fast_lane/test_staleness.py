"""No answer of the fast lane is older than the last commit of any process, and a cached one also expires."""

import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Delete, Table, Update, delete, event, text, update
from sqlalchemy.sql import visitors

from app.actions.audit.actor import OPERATOR, SERVER
from app.actions.directory.api_keys import KeyChanges
from app.actions.directory.clients import ClientChanges
from app.actions.directory.resources import NewPermission, PermissionChanges, ResourceChanges
from app.actions.directory.roles import RoleChanges
from app.actions.directory.users import UserChanges
from app.credentials.kind import RateLimit
from app.models import User
from app.models.authority import CARRIERS, WITHOUT_AUTHORITY
from tests import fork_server
from tests.core import ORDERS, STOCK, Core
from tests.fast_lane.conftest import OwnLanes
from tests.fast_lane.questions import Scene
from tests.oauth.wire import start_wire, stop_wire

pytestmark = pytest.mark.both_databases


@pytest.fixture
def scene(own_lanes: OwnLanes) -> Scene:
    return Scene(own_lanes())


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Core]:
    """A core with a row in each table that is watched: without lanes, which would be asked nothing."""
    wire = start_wire(tmp_path)
    wire.core.pat("alice", "orders:read")
    wire.core.key(scopes=("orders:list",))
    wire.core.app("reader")
    wire.core.delegate("alice", "reader", "orders:read")
    yield wire.core
    stop_wire(wire)


def secret_of(core: Core, client: str) -> str:
    return core.actions.client_secrets.page(core.row_id(client), 1)[0][0].id


def role_id(core: Core, name: str) -> str:
    return core.actions.roles.page(1, name=name)[0][0].id


def refresh(scene: Scene) -> None:
    client = scene.core.actions.authenticate_client.find("reader")
    scene.core.actions.refresh(SERVER, client, str(scene.oauth.refresh_token))


PAT = {"pat", "pat passes"}
KEY = {"key", "key passes", "exchanged", "exchanged passes"}
M2M = {"m2m", "m2m passes"}
OAUTH = {"oauth", "oauth passes"}
USER = PAT | OAUTH
ASKED = {"pat", "key", "m2m", "exchanged", "oauth"}
ALL = USER | KEY | M2M
FOLLOWING = {"replaced_secret", "status_change", "status_entry"}  # they change with or after what moves the epoch
USED = ("api_key", "app_grant", "personal_access_token")  # tables that store a last use
Change = tuple[Callable[[Scene, Core], object], set[str]]
CHANGES: dict[str, Change] = {
    "a PAT is revoked": (
        lambda s, c: c.actions.personal_access_tokens.revoke(OPERATOR, c.row_id("alice"), s.pat.id),
        PAT,
    ),
    "its holder revokes it": (lambda s, c: c.actions.revoke_token(SERVER, s.tokens["pat"], None), PAT),
    "a PAT is regenerated": (
        lambda s, c: c.actions.personal_access_tokens.regenerate(OPERATOR, c.row_id("alice"), s.pat.id),
        PAT,
    ),
    "it is found in the wild": (lambda s, c: c.actions.report_leak(SERVER, [s.tokens["pat"]]), PAT),
    "a user loses a role": (
        lambda s, c: c.actions.users.change(OPERATOR, c.row_id("alice"), UserChanges(roles=())),
        USER,
    ),
    "a user is disabled": (
        lambda s, c: c.actions.users.change(OPERATOR, c.row_id("alice"), UserChanges(enabled=False)),
        USER,
    ),
    "a user is renamed": (
        lambda s, c: c.actions.users.change(OPERATOR, c.row_id("alice"), UserChanges(username="al")),
        USER,
    ),
    "a user is deleted": (lambda s, c: c.actions.users.delete(OPERATOR, c.row_id("alice")), USER),
    "a role of users shrinks": (
        lambda s, c: c.actions.roles.change(OPERATOR, role_id(c, "clerk"), RoleChanges(permissions=("orders:read",))),
        PAT,
    ),
    "a role of users is deleted": (lambda s, c: c.actions.roles.delete(OPERATOR, role_id(c, "clerk")), USER),
    "a role of machines is deleted": (
        lambda s, c: c.actions.roles.delete(OPERATOR, role_id(c, "worker")),
        M2M | {"issue"},
    ),
    "a permission is deleted": (
        lambda s, c: c.actions.resources.delete_permission(OPERATOR, c.row_id(ORDERS), "orders:read"),
        USER | M2M | {"issue"},
    ),
    "a permission is no longer public": (
        lambda s, c: c.actions.resources.change_permission(
            OPERATOR, c.row_id(ORDERS), "orders:list", PermissionChanges(public=False)
        ),
        KEY,
    ),
    "a further one is public": (
        lambda s, c: c.actions.resources.add_permission(
            OPERATOR, c.row_id(ORDERS), NewPermission("orders:more", "", True)
        ),
        {"key", "key passes"},
    ),
    "a resource is renamed": (
        lambda s, c: c.actions.resources.change(OPERATOR, c.row_id(ORDERS), ResourceChanges(identifier=f"{ORDERS}/2")),
        ALL | {"issue"},
    ),
    "a resource's tokens live shorter": (
        lambda s, c: c.actions.resources.change(OPERATOR, c.row_id(ORDERS), ResourceChanges(access_token_ttl=60)),
        {"issue"},
    ),
    "a resource is deleted": (lambda s, c: c.actions.resources.delete(OPERATOR, c.row_id(ORDERS)), ALL | {"issue"}),
    "a client loses a role": (
        lambda s, c: c.actions.clients.change(OPERATOR, c.row_id("robot"), ClientChanges(roles=())),
        M2M | {"issue"},
    ),
    "a client is disabled": (
        lambda s, c: c.actions.clients.change(OPERATOR, c.row_id("robot"), ClientChanges(enabled=False)),
        M2M | {"issue", "exchanged", "exchanged passes"},
    ),
    "a client is deleted": (
        lambda s, c: c.actions.clients.delete(OPERATOR, c.row_id("robot")),
        M2M | {"issue", "exchanged", "exchanged passes"},
    ),
    "the asker serves another": (
        lambda s, c: c.actions.clients.change(OPERATOR, c.row_id("shop"), ClientChanges(serves=(STOCK,))),
        ASKED,
    ),
    "the asker's secret is revoked": (
        lambda s, c: c.actions.client_secrets.revoke(OPERATOR, c.row_id("shop"), secret_of(c, "shop")),
        ASKED,
    ),
    "the asker's secret is found": (
        lambda s, c: c.actions.report_leak(SERVER, [s.lanes.wire.shop[1]]),
        ASKED,
    ),
    "a key is revoked": (lambda s, c: c.actions.api_keys.revoke(OPERATOR, s.key.id), KEY),
    "a key is disabled": (lambda s, c: c.actions.api_keys.change(OPERATOR, s.key.id, KeyChanges(enabled=False)), KEY),
    "a key is narrowed": (lambda s, c: c.actions.api_keys.change(OPERATOR, s.key.id, KeyChanges(scopes=())), KEY),
    "a key is rotated": (lambda s, c: c.actions.api_keys.rotate(OPERATOR, s.key.id, 0), KEY),
    "a key gets networks": (
        lambda s, c: c.actions.api_keys.change(OPERATOR, s.key.id, KeyChanges(allowed_ips=("192.0.2.0/24",))),
        KEY,
    ),
    "a key ends sooner": (
        lambda s, c: c.actions.api_keys.change(
            OPERATOR, s.key.id, KeyChanges(expires_at=c.clock() + timedelta(seconds=9))
        ),
        {"key"},
    ),
    "a JWT is denied": (  # and what is issued next has another index of a status list
        lambda s, c: c.actions.revoke_token(SERVER, s.tokens["m2m"], "robot"),
        M2M | {"issue"},
    ),
    "an exchanged JWT is denied": (
        lambda s, c: c.actions.revoke_token(SERVER, s.tokens["exchanged"], "robot"),
        {"exchanged", "exchanged passes"},
    ),
    "an app's JWT is denied": (lambda s, c: c.actions.revoke_token(SERVER, s.tokens["oauth"], "reader"), OAUTH),
    "its refresh token is revoked": (
        lambda s, c: c.actions.revoke_token(SERVER, str(s.oauth.refresh_token), "reader"),
        OAUTH,
    ),
    "its refresh token is found": (lambda s, c: c.actions.report_leak(SERVER, [str(s.oauth.refresh_token)]), OAUTH),
    "a user ends an app": (
        lambda s, c: c.actions.apps.end(OPERATOR, c.row_id("alice"), c.row_id("reader")),
        OAUTH,
    ),
    "an app is disabled": (
        lambda s, c: c.actions.clients.change(OPERATOR, c.row_id("reader"), ClientChanges(enabled=False)),
        OAUTH,
    ),
    "an app is deleted": (lambda s, c: c.actions.clients.delete(OPERATOR, c.row_id("reader")), OAUTH),
    "the keys are rotated": (lambda s, c: c.actions.rotate_signing_key(OPERATOR), {"issue"}),
}


@pytest.mark.contract("no answer is staler than the last commit")
@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_seen_by_the_next_request(scene: Scene, name: str) -> None:
    change, concerned = CHANGES[name]
    change(scene, scene.core)
    assert scene.changed() == concerned


def test_a_rate_limit_counts_from_the_next_request_on(scene: Scene) -> None:
    limit = KeyChanges(rate_limit=RateLimit(4, 60))
    scene.core.actions.api_keys.change(OPERATOR, scene.key.id, limit)
    asked, heard = scene.asked["key"], []
    for ask in (scene.lanes.fast, scene.lanes.plain) * 3:
        heard.append(ask(asked).body.partition(b'"remaining": ')[2][:1])
    assert heard == [b"3", b"2", b"1", b"0", b"", b""]
    assert scene.lanes.fast(scene.asked["key passes"]).status == "429 TOO MANY REQUESTS"


OUTSIDE = {
    "revoked": "UPDATE personal_access_token SET revoked_at = 1",
    "disabled": "UPDATE \"user\" SET enabled = false WHERE username = 'alice'",
    "role taken": "DELETE FROM user_role",
    "role deleted": "DELETE FROM role WHERE name = 'clerk'",
    "scope taken": "DELETE FROM personal_access_token_scope",
    "permission deleted": "DELETE FROM permission WHERE name = 'orders:read'",
    "asker's secret gone": "DELETE FROM client_secret",
}


@pytest.mark.contract("no answer is staler than the last commit")
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_change_by_another_process_is_seen_by_the_next_request(scene: Scene, tmp_path: Path, name: str) -> None:
    printed = tmp_path / "printed"
    arguments = [scene.core.database.url, OUTSIDE[name]]
    other = fork_server.start(arguments, os.environ, printed, printed, "tests.fast_lane.execute")
    assert other.wait(30) == 0, printed.read_text("utf-8")
    assert "pat" in scene.changed()


TIMES = {
    "the PAT ends": (3000, PAT | {"key", "key passes", "exchanged", "exchanged passes"}),
    "the key ends": (2000, KEY),
    "nothing ends": (1999.2, set()),
}


@pytest.mark.contract('time ends what is kept, and no "no" is ever kept')
@pytest.mark.parametrize("name", TIMES)
def test_time_ends_a_cached_answer(scene: Scene, name: str) -> None:
    seconds, concerned = TIMES[name]
    scene.core.clock.advance(seconds=seconds)
    assert scene.changed() - {"issue"} == concerned


def test_a_moment_earlier_and_a_moment_later(scene: Scene) -> None:
    ends = scene.pat.expires_at
    assert ends is not None
    scene.core.clock.now = ends - timedelta(microseconds=1)
    assert not scene.changed() & PAT
    scene.core.clock.now = ends
    assert scene.changed() >= PAT


def test_the_end_of_an_overlap_ends_a_cached_answer(scene: Scene) -> None:
    scene.core.actions.api_keys.rotate(OPERATOR, scene.key.id, 100)
    scene.before = scene.answers()
    scene.core.clock.advance(seconds=99)
    assert scene.changed() == {"issue"}
    scene.core.clock.advance(seconds=1)
    assert scene.changed() == KEY | {"issue"}


def test_an_exchanged_token_ends_with_the_key_that_ends_sooner_now(scene: Scene) -> None:
    changes = KeyChanges(expires_at=scene.core.clock() + timedelta(seconds=50))
    scene.core.actions.api_keys.change(OPERATOR, scene.key.id, changes)
    assert "exchanged" not in scene.changed()
    scene.core.clock.advance(seconds=50)
    assert scene.changed() >= {"exchanged", "exchanged passes"}


@pytest.mark.parametrize("client", ["shop", "robot"])
def test_a_client_whose_secret_ends_is_known_no_longer(own_lanes: OwnLanes, client: str) -> None:
    lanes = own_lanes()
    ending = lanes.core.client_secret(client, expires_at=lanes.core.clock() + timedelta(seconds=10))
    setattr(lanes.wire, client, (client, ending))
    scene = Scene(lanes)
    scene.core.clock.advance(seconds=10)
    assert scene.changed() - {"issue"} == (ASKED if client == "shop" else set())
    assert scene.lanes.fast(scene.asked["issue"]).taken == (client == "shop")


def test_issuing_using_and_audit_events_leave_the_cache(scene: Scene) -> None:
    everything, epoch = set(scene.asked), scene.core.actions.epoch()
    scene.core.pat("alice", "orders:read", name="another")
    scene.core.key()
    scene.core.m2m("robot", "orders:read")
    scene.core.delegate("alice", "reader", "orders:read")
    refresh(scene)
    scene.core.actions.usage.flush()
    scene.core.actions.authenticate_client.record_failure(SERVER, "somebody")
    scene.core.user("bob")
    scene.core.client_secret("robot")
    assert scene.core.actions.epoch() == epoch
    assert scene.answered_by_lane() == everything


@pytest.mark.contract('time ends what is kept, and no "no" is ever kept')
def test_a_refusal_is_never_cached(scene: Scene) -> None:
    asked = scene.asked["pat"]
    with scene.core.store.transaction() as session:
        session.execute(text("UPDATE personal_access_token SET revoked_at = 1"))
    inactive = scene.lanes.fast(asked)
    assert inactive.taken and inactive.body == b'{"active": false}'
    epoch = scene.core.actions.epoch()
    with scene.core.store.transaction() as session:
        session.execute(text("UPDATE personal_access_token SET revoked_at = NULL"))
        session.execute(text("UPDATE authority SET epoch = epoch - (SELECT count(*) FROM personal_access_token)"))
    assert scene.core.actions.epoch() == epoch  # as if the epoch had not moved
    assert scene.lanes.fast(asked).body != inactive.body


def test_all_that_the_lane_reads_is_watched(scene: Scene) -> None:
    read: set[tuple[str, str]] = set()

    def note(_connection: object, statement: Any, *_: object) -> None:
        tables = {column.table.name for column in _columns(statement)}
        read.update((column.table.name, column.name) for column in _columns(statement))
        assert tables

    with scene.core.store.connection() as connection:
        event.listen(connection, "before_execute", note)
    with scene.core.store.transaction() as session:
        session.execute(text('UPDATE "user" SET enabled = enabled'))  # forget all that is kept
    scene.core.actions.signing_keys._known.public.clear()
    scene.core.actions.signing_keys._known.verified.clear()
    for asked in scene.asked.values():
        assert scene.lanes.fast(asked).taken
    assert len(read) > 50
    assert not {table for table, _ in read} - set(CARRIERS) - FOLLOWING
    assert not {column for _, column in read} & WITHOUT_AUTHORITY


def _columns(statement: Any) -> list[Column[Any]]:
    return [c for c in visitors.iterate(statement) if isinstance(c, Column) and isinstance(c.table, Table)]


@pytest.mark.contract("no answer is staler than the last commit")
def test_every_column_that_is_watched_moves_the_epoch(rows: Core) -> None:
    rows.actions.rotate_signing_key(OPERATOR)
    rows.actions.revoke_token(SERVER, rows.m2m("robot", "orders:read"), "robot")
    for name in CARRIERS:
        for column in _table(name).columns:
            moved = _moves(rows, update(_table(name)).values({column: column}))
            assert moved != (column.name in WITHOUT_AUTHORITY and name in USED)


@pytest.mark.parametrize("name", [name for name in CARRIERS if name != "revoked_token"])
def test_every_row_that_goes_moves_the_epoch(rows: Core, name: str) -> None:
    assert _moves(rows, delete(_table(name)))


def _table(name: str) -> Table:
    return User.metadata.tables[name]


def _moves(core: Core, statement: Update | Delete) -> bool:
    before = core.actions.epoch()
    with core.store.transaction() as session:
        session.execute(statement)
    return core.actions.epoch() != before


@pytest.mark.contract("no answer is staler than the last commit")
def test_every_request_after_a_revocation_sees_it(scene: Scene) -> None:
    asked, revoked, late = scene.asked["pat"], threading.Event(), []
    together = threading.Barrier(7)

    def ask_on() -> None:
        together.wait(10)
        for _ in range(400):
            began_after = revoked.is_set()
            late.append((began_after, b'"active": true' in scene.lanes.raw(asked)))

    threads = [threading.Thread(target=ask_on) for _ in range(6)]
    for thread in threads:
        thread.start()
    together.wait(10)
    while len(late) < 200:
        pass
    scene.core.actions.revoke_token(SERVER, scene.tokens["pat"], None)
    revoked.set()
    for thread in threads:
        thread.join(30)
    assert {(False, True), (True, False)} <= set(late) and (True, True) not in late
