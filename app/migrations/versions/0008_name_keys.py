"""name keys

What two names have in common that differ in case or width alone, unique where the name is. Rows that have the same key
already stay as they are: the oldest gets it, the others one of their own, so that only a new such name is refused.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

from app.models.names import LONGEST_KEPT_KEY, email_key, name_key, username_key

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEYS: tuple[tuple[str, str, str, Callable[[str], str]], ...] = (
    ("role", "name", "name_key", name_key),
    ("permission", "name", "name_key", name_key),
    ("user", "username", "username_key", username_key),
    ("user", "email", "email_key", email_key),
    ("personal_access_token", "name", "held_as", name_key),
)
LIVE = "uq_personal_access_token_live_name_key"
AT_ONCE = 1_000  # rows


def upgrade() -> None:
    for table, name, key, key_of in KEYS:
        op.add_column(table, sa.Column(key, sa.String(length=LONGEST_KEPT_KEY), nullable=True))
        _fill(table, name, key, key_of)
        if table != "personal_access_token":
            op.create_index(f"ix_{table}_{key}", table, [key], unique=True)
    held = sa.text("name_held")
    columns = ["user_id", "held_as"]
    op.create_index(LIVE, "personal_access_token", columns, unique=True, sqlite_where=held, postgresql_where=held)


def downgrade() -> None:
    op.drop_index(LIVE, "personal_access_token")
    for table, _, key, _ in KEYS:  # never by a copy of the table, which would lose its triggers
        if table != "personal_access_token":
            op.drop_index(f"ix_{table}_{key}", table)
        op.drop_column(table, key)


def _fill(table: str, name: str, key: str, key_of: Callable[[str], str]) -> None:
    """Set the key of each row; ids sort by age, so the oldest of several comes first."""
    owned = ["user_id", "name_held"] if table == "personal_access_token" else []
    rows = sa.table(table, *(sa.column(c) for c in ("id", name, key, *owned)))
    bind, taken, last = op.get_bind(), set[int](), ""
    row_id: sa.BindParameter[str] = sa.bindparam("row_id")
    row_key: sa.BindParameter[str] = sa.bindparam("row_key")
    change = rows.update().where(rows.c.id == row_id).values({key: row_key})
    named = sa.select(rows).where(rows.c[name].is_not(None)).order_by(rows.c.id).limit(AT_ONCE)
    while batch := bind.execute(named.where(rows.c.id > last)).mappings().all():
        filled = []
        for row in batch:
            made = key_of(row[name])
            if not owned or row["name_held"]:
                place = hash((row["user_id"] if owned else "", made))
                made = f"{made}\n{row['id']}" if place in taken else made
                taken.add(place)
            filled.append({"row_id": row["id"], "row_key": made})
        bind.execute(change, filled)
        last = batch[-1]["id"]
    if bind.dialect.name == "postgresql":  # no index is made while the triggers of the authority epoch wait
        op.execute("SET CONSTRAINTS ALL IMMEDIATE")
