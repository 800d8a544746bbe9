"""list indexes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ORDERS: dict[str, str | sa.TextClause] = {
    "listed": "created_at",
    "ends": sa.text("coalesce(expires_at, 9223372036854775807)"),
    "used": sa.text("coalesce(last_used_at, created_at)"),
    "named": sa.text("lower(name)"),
}
TABLES = {
    "personal_access_token": ("listed", "ends", "used", "named"),
    "api_key": ("listed", "ends", "used", "named"),
    "client_secret": ("listed", "ends", "named"),
    "client": ("listed", "named"),
}
REVOKED = sa.text("revoked_at IS NOT NULL")


def upgrade() -> None:
    for table, orders in TABLES.items():
        for order in orders:
            op.create_index(f"ix_{table}_{order}", table, [ORDERS[order], "id"])
        if table != "client":
            name, columns = f"ix_{table}_revoked", ["created_at", "id"]
            op.create_index(name, table, columns, sqlite_where=REVOKED, postgresql_where=REVOKED)


def downgrade() -> None:
    for table, orders in TABLES.items():
        for order in orders:
            op.drop_index(f"ix_{table}_{order}", table)
        if table != "client":
            op.drop_index(f"ix_{table}_revoked", table)
