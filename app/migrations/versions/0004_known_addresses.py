"""known addresses"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "known_address",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("address_digest", sa.String(length=64), nullable=False),
        sa.Column("noted_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_known_address_user_id_user", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "address_digest", name="pk_known_address"),
    )
    op.create_index("ix_known_address_noted_at", "known_address", ["noted_at"])


def downgrade() -> None:
    op.drop_table("known_address")
