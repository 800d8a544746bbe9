"""dropped scopes of clients"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("client", sa.Column("dropped_scopes", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("client", "dropped_scopes")  # never by a copy of the table, which would lose its triggers
