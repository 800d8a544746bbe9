"""Databases of tests: what a test did to its copy is not seen by the next test."""

from pathlib import Path

import pytest
from sqlalchemy import MetaData

from app.actions.audit.actor import OPERATOR
from app.actions.directory.users import NewUser
from tests.core import Core, furnish, start_core
from tests.databases import Database, database_in, drop_databases

pytestmark = pytest.mark.both_databases

CHANGES = {
    "a deleted row": 'DELETE FROM "user"',
    "a changed row": "UPDATE role SET name = name || ' changed'",
    "a new column": 'ALTER TABLE "user" ADD COLUMN shoe_size integer',
    "a dropped table": "DROP TABLE spent_limit",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A furnished database whose sequence of audit events has begun."""
    made = start_core(tmp_path_factory.mktemp("template"))
    furnish(made)
    add_user(made, "bob")
    made.actions.usage.stop()
    made.store.dispose()
    return made.database


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_like_its_template_whatever_a_test_did_to_the_one_before(
    template: Database, tmp_path: Path, change: str
) -> None:
    before = contents(copy(template, tmp_path / "first"))
    used = copy(template, tmp_path / "used")
    used.execute(CHANGES[change])
    assert contents(used) != before
    drop_databases(tmp_path)
    assert [contents(copy(template, tmp_path / name)) for name in ("second", "third")] == [before, before]


def add_user(core: Core, username: str) -> None:
    core.actions.users.create(OPERATOR, NewUser(username))


def copy(template: Database, folder: Path) -> Database:
    folder.mkdir()
    template.copy_to(folder)
    return database_in(folder)


def contents(database: Database) -> dict[str, tuple[list[str], list[str]]]:
    """Return the columns and the rows of each table."""
    tables, engine, found = MetaData(), database.engine(), {}
    tables.reflect(engine)
    with engine.connect() as connection:
        for table in tables.sorted_tables:
            rows = sorted(repr(tuple(row)) for row in connection.execute(table.select()))
            found[table.name] = ([*table.columns.keys()], rows)
    return found
