"""authority epoch"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CHANGED, ADDED = ("UPDATE", "DELETE"), ("INSERT", "UPDATE", "DELETE")
CARRIERS = {
    "api_key": CHANGED,
    "api_key_scope": ADDED,
    "api_key_secret": CHANGED,
    "client": CHANGED,
    "client_role": ADDED,
    "client_secret": CHANGED,
    "client_serves": ADDED,
    "permission": ADDED,
    "personal_access_token": CHANGED,
    "personal_access_token_scope": CHANGED,
    "resource": CHANGED,
    "revoked_token": ("INSERT", "UPDATE"),
    "role_permission": ADDED,
    "signing_key": ADDED,
    "user": CHANGED,
    "user_role": ADDED,
}
UPDATE_OF = {
    "api_key": "id, name, resource_id, narrowed, hint, created_at, expires_at, enabled, rate_limit_requests, "
    "rate_limit_window_seconds, allowed_ips, revoked_at, revoked_reason",
    "personal_access_token": "id, user_id, name, description, digest, hint, generation, created_at, issued_at, "
    "expires_at, revoked_at, revoked_reason",
}
BUMP = "UPDATE authority SET epoch = epoch + 1"


def upgrade() -> None:
    op.create_table(
        "authority",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_authority"),
    )
    op.execute("INSERT INTO authority (id, epoch) VALUES (1, 0)")
    if op.get_bind().dialect.name == "postgresql":
        _watch_postgresql()
    else:
        _watch_sqlite()


def downgrade() -> None:
    for table, events in CARRIERS.items():
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f'DROP TRIGGER authority_{table} ON "{table}"')
        else:
            for event in events:
                op.execute(f"DROP TRIGGER authority_{table}_{event.lower()}")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION authority_moved()")
    op.drop_table("authority")


def _watch_sqlite() -> None:
    for table, events in CARRIERS.items():
        for event in events:
            op.execute(
                f'CREATE TRIGGER authority_{table}_{event.lower()} AFTER {_named(event, table)} ON "{table}" '
                f"BEGIN {BUMP}; END"
            )


def _watch_postgresql() -> None:
    op.execute(
        f"CREATE FUNCTION authority_moved() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN {BUMP}; RETURN NULL; END $$"
    )
    for table, events in CARRIERS.items():
        named = " OR ".join(_named(event, table) for event in events)
        op.execute(
            f'CREATE CONSTRAINT TRIGGER authority_{table} AFTER {named} ON "{table}" '
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION authority_moved()"
        )


def _named(event: str, table: str) -> str:
    return f"UPDATE OF {UPDATE_OF[table]}" if event == "UPDATE" and table in UPDATE_OF else event
