"""console list indexes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INDEXES: dict[str, tuple[str, str | sa.TextClause]] = {  # the table and the column, before the id
    "ix_user_listed": ("user", "created_at"),
    "ix_user_by_username": ("user", sa.text("lower(username)")),
    "ix_user_by_display_name": ("user", sa.text("lower(display_name)")),
    "ix_user_by_email": ("user", sa.text("coalesce(lower(email), '')")),
    "ix_client_by_client_id": ("client", sa.text("lower(client_id)")),
    "ix_role_listed": ("role", "created_at"),
    "ix_role_named": ("role", sa.text("lower(name)")),
    "ix_resource_listed": ("resource", "created_at"),
    "ix_resource_named": ("resource", sa.text("lower(name)")),
    "ix_resource_by_identifier": ("resource", sa.text("lower(identifier)")),
    "ix_resource_by_lifetime": ("resource", "access_token_ttl"),
}
DISABLED = ("user", "client", "api_key")


def upgrade() -> None:
    for name, (table, column) in INDEXES.items():
        op.create_index(name, table, [column, "id"])
    op.create_index("ix_role_type", "role", ["type", "created_at", "id"])
    sqlite, postgresql = sa.text("enabled = 0"), sa.text("NOT enabled")
    for table in DISABLED:
        name, columns = f"ix_{table}_disabled", ["created_at", "id"]
        op.create_index(name, table, columns, sqlite_where=sqlite, postgresql_where=postgresql)


def downgrade() -> None:
    for table in DISABLED:
        op.drop_index(f"ix_{table}_disabled", table)
    op.drop_index("ix_role_type", "role")
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table)
