"""sender-constrained tokens"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BOUND = ("dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens")
SUBJECT = "tls_client_subject"


def upgrade() -> None:
    op.create_table(
        "used_proof",
        sa.Column("proof_digest", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("proof_digest", name="pk_used_proof"),
    )
    op.create_index("ix_used_proof_expires_at", "used_proof", ["expires_at"])
    for name in BOUND:
        op.add_column("client", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("client", sa.Column(SUBJECT, sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    for name in (*BOUND, SUBJECT):  # never by a copy of the table, which would lose its triggers
        op.drop_column("client", name)
    op.drop_table("used_proof")
