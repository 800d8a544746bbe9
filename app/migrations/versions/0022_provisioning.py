"""users and roles that a provisioning client keeps"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("user", "role"):
        op.add_column(table, sa.Column("external_id", sa.String(length=255), nullable=True))
        op.add_column(table, sa.Column("updated_at", sa.BigInteger(), nullable=True))
        op.create_index(f"ix_{table}_external_id", table, ["external_id"])
    op.add_column("user", sa.Column("provisioned", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("role", sa.Column("provisioned", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    for table in ("role", "user"):
        op.drop_column(table, "provisioned")
        op.drop_index(f"ix_{table}_external_id", table)
        op.drop_column(table, "updated_at")
        op.drop_column(table, "external_id")
