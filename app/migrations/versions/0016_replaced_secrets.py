"""replaced secrets"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replaced_secret",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=40), nullable=False),
        sa.Column("credential_id", sa.String(length=40), nullable=False),
        sa.Column("hint", sa.String(length=20), nullable=False),
        sa.Column("replaced_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_replaced_secret"),
    )
    op.create_index("ix_replaced_secret_credential_id", "replaced_secret", ["credential_id", "replaced_at"])
    op.create_index("ix_replaced_secret_replaced_at", "replaced_secret", ["replaced_at"])
    op.create_table(
        "reused_credential",
        sa.Column("target", sa.String(length=40), nullable=False),
        sa.Column("credential_id", sa.String(length=40), nullable=False),
        sa.Column("noted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("target", "credential_id", name="pk_reused_credential"),
    )
    op.create_index("ix_reused_credential_noted_at", "reused_credential", ["noted_at"])


def downgrade() -> None:
    op.drop_table("reused_credential")
    op.drop_table("replaced_secret")
