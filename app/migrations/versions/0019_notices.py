"""notices to users"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notice_preference",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=True),
        sa.Column("turned_off", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_notice_preference_user_id_user", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name="pk_notice_preference"),
    )
    op.create_table(
        "found_notice",
        sa.Column("credential_id", sa.String(length=40), nullable=False),
        sa.Column("notice", sa.String(length=30), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("credential_id", "notice", "due", name="pk_found_notice"),
    )
    op.create_index("ix_found_notice_due", "found_notice", ["due"])


def downgrade() -> None:
    op.drop_table("found_notice")
    op.drop_table("notice_preference")
