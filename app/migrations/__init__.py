"""How the tables came to be: Alembic revisions, run by the start; `python -m app.migrations NAME` drafts the next."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, inspect, text

from app.errors import BadSettings

FOLDER = Path(__file__).parent
State = Literal["current", "older", "newer", "empty"]


def known() -> list[str]:
    """Give the revisions of this code, oldest first; a file's name begins with its revision."""
    return sorted(file.name.partition("_")[0] for file in FOLDER.glob("versions/[0-9]*.py"))


def revisions(connection: Connection) -> set[str]:
    """Give what the database is at; nothing when it was never migrated."""
    if not inspect(connection).has_table("alembic_version"):
        return set()
    return set(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


def state(connection: Connection) -> State:
    """Tell how the database stands: `older` and `empty` ones are migrated by a start, `newer` ones refused."""
    present = revisions(connection)
    if not present:
        return "empty"
    if present - set(known()):
        return "newer"
    return "current" if present == {known()[-1]} else "older"


def refuse_newer(present: set[str]) -> None:
    """Raise BadSettings when the database is at a revision that this code does not know."""
    if unknown := sorted(present - set(known())):
        raise BadSettings(f"the database is newer than this Latchkey (revision {unknown[0]}): install the newer one")
