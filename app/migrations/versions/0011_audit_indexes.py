"""audit indexes"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

FILTERS = ("actor", "action", "target")


def upgrade() -> None:
    for name in ("at", *FILTERS):
        op.drop_index(f"ix_audit_event_{name}", "audit_event")
    op.create_index("ix_audit_event_listed", "audit_event", ["at", "id"])
    for name in FILTERS:
        op.create_index(f"ix_audit_event_by_{name}", "audit_event", [name, "at", "id"])


def downgrade() -> None:
    op.drop_index("ix_audit_event_listed", "audit_event")
    for name in FILTERS:
        op.drop_index(f"ix_audit_event_by_{name}", "audit_event")
    for name in ("at", *FILTERS):
        op.create_index(f"ix_audit_event_{name}", "audit_event", [name])
