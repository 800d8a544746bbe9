"""audit chain"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NO_HASH = "0" * 64
BATCH = 1000
UNCHAINED = 1 << 40
KEPT = "id, at, actor_type, actor, actor_name, action, target_type, target, address, request_id"
READ = sa.text(
    f"SELECT {KEPT}, CAST(details AS TEXT) FROM audit_event WHERE id > :after ORDER BY id LIMIT {BATCH}"  # noqa: S608
)
WRITE = sa.text("UPDATE audit_event SET previous_hash = :before, hash = :own WHERE id = :row")


def upgrade() -> None:
    op.create_table(
        "audit_head",
        sa.Column("chain", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("chain", name="pk_audit_head"),
    )
    for name in ("previous_hash", "hash"):
        op.add_column("audit_event", sa.Column(name, sa.String(length=64), nullable=True))
    last_id, last_hash = _chain(op.get_bind())
    head = sa.text("INSERT INTO audit_head (chain, last_id, hash) VALUES (1, :last_id, :hash)")
    op.execute(head.bindparams(last_id=last_id, hash=last_hash))
    if op.get_bind().dialect.name == "postgresql":  # nodes of the previous version do not know the chain
        op.execute(f"ALTER SEQUENCE audit_event_id_seq RESTART WITH {UNCHAINED}")


def downgrade() -> None:
    with op.batch_alter_table("audit_event") as table:
        table.drop_column("hash")
        table.drop_column("previous_hash")
    op.drop_table("audit_head")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SELECT setval('audit_event_id_seq', (SELECT coalesce(max(id), 0) + 1 FROM audit_event), false)")


def _chain(connection: sa.Connection) -> tuple[int, str]:
    last_id, last_hash = 0, NO_HASH
    while rows := connection.execute(READ, {"after": last_id}).all():
        links = []
        for row in rows:
            before, last_hash = last_hash, _hash(last_hash, row)
            links.append({"before": before, "own": last_hash, "row": row[0]})
        connection.execute(WRITE, links)
        last_id = rows[-1][0]
    return last_id, last_hash


def _hash(previous_hash: str, row: Sequence[Any]) -> str:
    *kept, details = row
    said = ["latchkey-audit-1", previous_hash, *kept, json.loads(details)]
    return sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()
