"""The Alembic revisions of the tables, run at the start; `python -m app.migrations NAME` drafts the next one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, inspect, text

from app.errors import BadSettings

FOLDER = Path(__file__).parent
State = Literal["current", "older", "newer", "empty"]


def known_revisions() -> list[str]:
    """Return the revisions of this code, oldest first; a file's name begins with its revision."""
    return sorted(file.name.partition("_")[0] for file in FOLDER.glob("versions/[0-9]*.py"))


def revisions(connection: Connection) -> set[str]:
    """Return the revisions of the database; none when it was never migrated."""
    if not inspect(connection).has_table("alembic_version"):
        return set()
    return set(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


def state(connection: Connection) -> State:
    """Return the state of the database: a start migrates `older` and `empty` ones, and refuses `newer` ones."""
    present = revisions(connection)
    if not present:
        return "empty"
    if present - set(known_revisions()):
        return "newer"
    return "current" if present == {known_revisions()[-1]} else "older"


def refuse_newer(present: set[str]) -> None:
    """Raise BadSettings when the database has a revision that this code does not know."""
    if unknown := sorted(present - set(known_revisions())):
        raise BadSettings(f"the database is newer than this Latchkey (revision {unknown[0]}): install the newer one")
