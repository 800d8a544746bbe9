"""Migrations create what the models declare, can be reverted, refuse a newer database, and allow concurrent starts."""

import multiprocessing
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect, select, text

from app import migrations
from app.actions.audit.actor import OPERATOR
from app.actions.audit.chain import chain_the_unchained
from app.actions.audit.record import record
from app.actions.audit.verify import VerifyAudit
from app.actions.directory.roles import NewRole, RoleActions, RoleChanges
from app.clock import system_clock
from app.database.store import Store
from app.database.types import EPOCH
from app.errors import BadSettings, Duplicate
from app.migrations import run
from app.models import Role, User
from tests.databases import database_in

pytestmark = pytest.mark.both_databases

KEYLESS = "0007"  # the revision before names had keys


@pytest.fixture
def url(tmp_path: Path) -> str:
    return database_in(tmp_path).url


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return database_in(tmp_path).engine()


@pytest.mark.contract("the first start creates or migrates the database, makes key and administrator")
def test_up_makes_exactly_what_the_models_say(url: str, engine: Engine) -> None:
    assert run.upgrade(url) is True
    with engine.connect() as connection:
        assert run.differences(connection) == []
        assert migrations.state(connection) == "current"


def test_up_again_changes_nothing(url: str) -> None:
    run.upgrade(url)
    assert run.upgrade(url) is False


def test_down_leaves_nothing_and_up_works_again(url: str, engine: Engine) -> None:
    run.upgrade(url)
    run.downgrade(url, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    with engine.connect() as connection:
        assert migrations.state(connection) == "empty"
    assert run.upgrade(url) is True


def test_a_database_newer_than_the_code_is_refused_in_one_line_and_left_alone(url: str, engine: Engine) -> None:
    run.upgrade(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BadSettings, match=r"newer than this Latchkey \(revision 9999\)") as refusal:
        run.upgrade(url)
    assert "\n" not in str(refusal.value)
    with engine.connect() as connection:
        assert migrations.state(connection) == "newer"


def test_a_migration_that_breaks_off_leaves_nothing(url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE role_permission (id INTEGER)"))  # the last table is in the way
    with pytest.raises(BadSettings, match="role_permission"):
        run.upgrade(url)
    assert inspect(engine).get_table_names() == ["role_permission"]


def test_many_starts_at_the_same_moment_migrate_once(url: str) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([run.__name__])  # imported once for all four
    with processes.Pool(4) as pool:
        assert sorted(pool.map(run.upgrade, [url] * 4)) == [False, False, False, True]


def test_the_revisions_are_one_line_of_history() -> None:
    names = sorted(file.name for file in Path(migrations.__file__).parent.glob("versions/*.py"))
    assert [name[:4] for name in names] == [f"{number:04}" for number in range(1, len(names) + 1)]


@pytest.mark.contract("older audit events are chained, and older nodes keep writing")
def test_the_events_that_there_are_become_a_chain_and_what_an_older_node_adds_still_fits(tmp_path: Path) -> None:
    database = database_in(tmp_path)
    run.upgrade(database.url, "0004")
    columns = "at, actor_type, actor, actor_name, action, target_type, target, address, request_id, details"
    values = (
        """1893499200750000, 'user', 'usr_é', '', 'role.update', 'role', 'x', NULL, 'r', '{"b": [1, 2.5], "a": "é"}'"""
    )
    add = f"INSERT INTO audit_event (id, {columns}) SELECT id + :by, {columns} FROM audit_event"  # noqa: S608
    database.execute(f"INSERT INTO audit_event ({columns}) VALUES ({values})")  # noqa: S608
    for by in (1, 2, 4, 10, 30, 50, 200, 1000, 2000, 4000, 8000):  # more than a batch in the end, with gaps
        database.execute(add, by=by)
    run.upgrade(database.url)
    store = Store(create_engine(database.url))
    before = VerifyAudit(store)()
    assert before.intact and before.events == 2048
    if store.dialect == "postgresql":
        database.execute(f"INSERT INTO audit_event ({columns}) VALUES ({values})")  # noqa: S608
    with store.transaction() as session:
        chain_the_unchained(session.connection())
        record(session, OPERATOR, "role.update", "role", "x", EPOCH)
    after = VerifyAudit(store)(before.last)
    assert after.intact and after.events == 2048 + (2 if store.dialect == "postgresql" else 1)
    store.dispose()
    run.downgrade(database.url, "0004")
    database.execute(f"INSERT INTO audit_event ({columns}) VALUES ({values})")  # noqa: S608
    run.upgrade(database.url)


def test_names_that_differ_in_case_alone_are_kept_and_new_ones_refused(tmp_path: Path) -> None:
    database = database_in(tmp_path)
    run.upgrade(database.url, KEYLESS)
    people = [("usr_1", "Ann", "Ann@x.example"), ("usr_2", "bo", "ann@X.example"), ("usr_3", "É", None)]
    for row_id, username, email in people:
        columns = "id, username, email, display_name, enabled, created_at"
        add = f'INSERT INTO "user" ({columns}) VALUES (:id, :u, :e, :d, :t, 0)'  # noqa: S608
        database.execute(add, id=row_id, u=username, e=email, d="", t=True)
    for row_id, name in (("role_1", "Clerk"), ("role_2", "clerk"), ("role_3", "Other")):
        add = "INSERT INTO role (id, name, type, description, created_at) VALUES (:id, :name, 'user', '', 0)"
        database.execute(add, id=row_id, name=name)
    run.upgrade(database.url)
    store = Store(create_engine(database.url))
    with store.reading() as session:
        keys = {row.id: row.name_key for row in session.execute(select(Role.id, Role.name_key))}
        users = [tuple(row) for row in session.execute(select(User.username_key, User.email_key).order_by(User.id))]
    assert keys == {"role_1": "clerk", "role_2": "clerk\nrole_2", "role_3": "other"}
    assert users == [("ann", "ann@x.example"), ("bo", "ann@x.example\nusr_2"), ("é", None)]
    roles = RoleActions(store, "", system_clock)
    assert roles.change(OPERATOR, "role_2", RoleChanges(description="kept")).name == "clerk"
    with pytest.raises(Duplicate):
        roles.create(OPERATOR, NewRole("CLERK", "user"))
    assert roles.change(OPERATOR, "role_2", RoleChanges(name="Clerk of the night")).name == "Clerk of the night"
    store.dispose()
    run.downgrade(database.url, KEYLESS)
    run.upgrade(database.url)
