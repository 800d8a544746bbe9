"""status lists"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = ("status_change", "status_subject", "status_entry", "status_list")
SUBJECTS = {
    "api_key": "id",
    "api_key_scope": "api_key_id",
    "api_key_secret": "api_key_id",
    "app_grant": "id",
    "app_grant_scope": "grant_id",
    "client": "id",
    "client_role": "client_id",
    "permission": "resource_id",
    "personal_access_token": "id",
    "personal_access_token_scope": "token_id",
    "resource": "id",
    "role_permission": "role_id",
    "signing_key": "kid",
    "user": "id",
    "user_role": "user_id",
}
REVOKED = "revoked_token"
REVOKE = (
    "UPDATE status_entry SET revoked = TRUE, valid_until = 0, fingerprint = NULL "
    "WHERE number = NEW.status_list AND idx = NEW.status_index; "
    "INSERT INTO status_change (subject) SELECT NEW.jti WHERE NEW.status_list IS NULL AND length(NEW.jti) <= 64 "
    "AND EXISTS (SELECT 1 FROM status_subject) ON CONFLICT DO NOTHING"
)
ADDED = ("api_key_scope", "client_role", "permission", "role_permission", "signing_key", "user_role")
SHARED = ("permission", "resource", "role_permission", "signing_key")
UPDATE_OF = {
    "api_key": "id, name, resource_id, narrowed, hint, created_at, expires_at, enabled, rate_limit_requests, "
    "rate_limit_window_seconds, allowed_ips, revoked_at, revoked_reason",
    "app_grant": "id, user_id, client_id, created_at, expires_at, revoked_at, revoked_reason, jkt",
    "personal_access_token": "id, user_id, name, description, digest, hint, generation, created_at, issued_at, "
    "expires_at, revoked_at, revoked_reason",
}
ROWS = {"INSERT": ("NEW",), "UPDATE": ("OLD", "NEW"), "DELETE": ("OLD",)}


def upgrade() -> None:
    op.create_table(
        "status_list",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("lost_from", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_status_list"),
    )
    op.create_index("ix_status_list_ends_at", "status_list", ["ends_at"])
    _create_entries()
    op.create_table(
        "status_change",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_status_change"),
    )
    for name in ("status_list", "status_index"):
        op.add_column(REVOKED, sa.Column(name, sa.Integer(), nullable=True))
    for table in (*SUBJECTS, REVOKED):
        _watch(table)


def downgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    for table in (*SUBJECTS, REVOKED):
        if postgresql:
            op.execute(f'DROP TRIGGER status_{table} ON "{table}"')
            op.execute(f"DROP FUNCTION status_moved_{table}()")
            continue
        for verb in _verbs(table):
            op.execute(f"DROP TRIGGER status_{table}_{verb.lower()}")
    for table in TABLES:
        op.drop_table(table)
    for name in ("status_list", "status_index"):
        op.drop_column(REVOKED, name)


def _create_entries() -> None:
    op.create_table(
        "status_entry",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("jti", sa.String(length=40), nullable=False),
        sa.Column("claims", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", "idx", name="pk_status_entry"),
        sa.UniqueConstraint("fingerprint", name="uq_status_entry_fingerprint"),
    )
    op.create_index("ix_status_entry_owner", "status_entry", ["owner"])
    ending = sa.text("valid_until IS NOT NULL")
    columns = ["number", "valid_until", "idx"]
    op.create_index("ix_status_entry_ending", "status_entry", columns, sqlite_where=ending, postgresql_where=ending)
    op.create_table(
        "status_subject",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["number", "idx"],
            ["status_entry.number", "status_entry.idx"],
            name="fk_status_subject_number_status_entry",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("subject", "number", "idx", name="pk_status_subject"),
    )
    op.create_index("ix_status_subject_number", "status_subject", ["number", "idx"])


def _verbs(table: str) -> tuple[str, ...]:
    if table == REVOKED:
        return ("INSERT", "UPDATE")
    return ("INSERT", "UPDATE", "DELETE") if table in ADDED else ("UPDATE", "DELETE")


def _events(table: str) -> list[str]:
    of = f" OF {UPDATE_OF[table]}" if table in UPDATE_OF else ""
    return [verb + (of if verb == "UPDATE" else "") for verb in _verbs(table)]


def _notes(table: str, verb: str) -> list[str]:
    if table == REVOKED:
        return [REVOKE]
    column, statements = SUBJECTS[table], []
    for row in ROWS[verb]:
        condition = "" if table in SHARED else f' WHERE subject = {row}."{column}"'
        depends = f"EXISTS (SELECT 1 FROM status_subject{condition})"  # noqa: S608 - names of tables and columns
        insert = f'INSERT INTO status_change (subject) SELECT {row}."{column}" WHERE {depends}'
        statements.append(f"{insert} ON CONFLICT DO NOTHING")
    return statements


def _watch(table: str) -> None:
    """Note with every change of authority what it is about."""
    if op.get_bind().dialect.name != "postgresql":
        for verb, event in zip(_verbs(table), _events(table), strict=True):
            notes = "; ".join(_notes(table, verb))
            op.execute(f'CREATE TRIGGER status_{table}_{verb.lower()} AFTER {event} ON "{table}" BEGIN {notes}; END')
        return
    *prior, following = _notes(table, "UPDATE")
    before = "".join(f"IF TG_OP <> 'INSERT' THEN {statement}; END IF; " for statement in prior)
    op.execute(
        f"CREATE OR REPLACE FUNCTION status_moved_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"{before}IF TG_OP <> 'DELETE' THEN {following}; END IF; RETURN NULL; END $$"
    )
    op.execute(
        f'CREATE CONSTRAINT TRIGGER status_{table} AFTER {" OR ".join(_events(table))} ON "{table}" '
        f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION status_moved_{table}()"
    )
