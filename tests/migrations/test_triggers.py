"""Migrations make the triggers that the models declare, in the same words."""

import re
from pathlib import Path

import pytest

from app.migrations import run
from app.models.authority import CARRIERS
from app.models.status_watch import REVOKED, SUBJECTS, UNRELATED
from tests.databases import POSTGRESQL, Database, chosen, database_in

pytestmark = pytest.mark.both_databases
SQLITE = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
FUNCTIONS = "SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
TRIGGERS = "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"


def triggers_of(database: Database) -> dict[str, str]:
    """Return the triggers and functions of a database by name, without white space and quotes."""
    statements = (FUNCTIONS, TRIGGERS) if chosen() == POSTGRESQL else (SQLITE,)
    found = [row for statement in statements for row in database.execute(statement)]
    return {name: re.sub(r"\s+", " ", body.replace('"', "")).lower() for name, body in found}


def test_a_migrated_database_has_the_triggers_of_the_models(tmp_path: Path, blank_database: Database) -> None:
    migrated = database_in(tmp_path)
    run.upgrade(migrated.url)
    of_migrations, of_models = triggers_of(migrated), triggers_of(blank_database)
    assert of_migrations == of_models and len(of_models) > 2 * len(SUBJECTS)


def test_every_table_that_carries_authority_is_watched_for_status_lists() -> None:
    assert {*SUBJECTS, REVOKED} | UNRELATED == {*CARRIERS}
