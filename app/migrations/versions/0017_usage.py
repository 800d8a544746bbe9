"""usage by hour and by day"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TABLES = ("usage_hour", "usage_day")


def upgrade() -> None:
    for table in TABLES:
        op.create_table(
            table,
            sa.Column("credential_id", sa.String(length=40), nullable=False),
            sa.Column("starts_at", sa.BigInteger(), nullable=False),
            sa.Column("outcome", sa.String(length=40), nullable=False),
            sa.Column("resource", sa.String(length=500), nullable=False),
            sa.Column("target", sa.String(length=40), nullable=False),
            sa.Column("uses", sa.BigInteger(), nullable=False),
            sa.Column("last_used_at", sa.BigInteger(), nullable=False),
            sa.Column("last_address", sa.String(length=50), nullable=True),
            sa.Column("last_server", sa.String(length=200), nullable=True),
            sa.PrimaryKeyConstraint("credential_id", "starts_at", "outcome", "resource", name=f"pk_{table}"),
        )
        op.create_index(f"ix_{table}_starts_at", table, ["starts_at"])


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
