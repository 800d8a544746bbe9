"""delegated OAuth"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

NEVER = 2**63 - 1
URIS = ("logo_uri", "client_uri", "policy_uri")
LISTS = {"grant_types": "'[\"client_credentials\"]'", "redirect_uris": "'[]'"}
BUMP = "UPDATE authority SET epoch = epoch + 1"
CARRIERS = {
    "app_grant": "UPDATE OF id, user_id, client_id, created_at, expires_at, revoked_at, revoked_reason, jkt",
    "app_grant_scope": "UPDATE",
}


def upgrade() -> None:
    for name, default in LISTS.items():
        op.add_column("client", sa.Column(name, sa.JSON(), nullable=False, server_default=sa.text(default)))
    op.add_column("client", sa.Column("scopes", sa.JSON(none_as_null=True), nullable=True))
    for name in URIS:
        op.add_column("client", sa.Column(name, sa.String(length=2000), nullable=True))
    registered_by = sa.Column("registered_by", sa.String(length=20), nullable=False, server_default="operator")
    op.add_column("client", registered_by)
    op.add_column("client", sa.Column("registration_digest", sa.String(length=64), nullable=True))
    op.add_column("client", sa.Column("document_until", sa.BigInteger(), nullable=True))
    _create_consents()
    _create_grants()
    _create_codes()
    _watch_grants()


def downgrade() -> None:
    for table in (
        "authorization_code",
        "device_code",
        "refresh_token",
        "app_grant_scope",
        "app_grant",
        "consent_scope",
        "consent",
    ):
        op.drop_table(table)
    for name in (*LISTS, "scopes", *URIS, "registered_by", "registration_digest", "document_until"):
        op.drop_column("client", name)  # never by a copy of the table, which would lose its triggers


def _create_consents() -> None:
    op.create_table(
        "consent",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        *_references("consent", user_id="user", client_id="client"),
        sa.PrimaryKeyConstraint("id", name="pk_consent"),
        sa.UniqueConstraint("user_id", "client_id", name="uq_consent_user_id_client_id"),
    )
    op.create_index("ix_consent_client_id", "consent", ["client_id"])
    op.create_table(
        "consent_scope",
        sa.Column("consent_id", sa.String(length=40), nullable=False),
        sa.Column("permission_id", sa.String(length=40), nullable=False),
        *_references("consent_scope", consent_id="consent", permission_id="permission"),
        sa.PrimaryKeyConstraint("consent_id", "permission_id", name="pk_consent_scope"),
    )
    op.create_index("ix_consent_scope_permission_id", "consent_scope", ["permission_id"])


def _create_grants() -> None:
    op.create_table(
        "app_grant",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_reason", sa.String(length=200), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("jkt", sa.String(length=64), nullable=True),
        *_references("app_grant", user_id="user", client_id="client"),
        sa.PrimaryKeyConstraint("id", name="pk_app_grant"),
    )
    op.create_index("ix_app_grant_user_id", "app_grant", ["user_id"])
    op.create_index("ix_app_grant_client_id", "app_grant", ["client_id"])
    op.create_index("ix_app_grant_listed", "app_grant", ["created_at", "id"])
    op.create_index("ix_app_grant_ends", "app_grant", [sa.text(f"coalesce(expires_at, {NEVER})"), "id"])
    op.create_index("ix_app_grant_used", "app_grant", [sa.text("coalesce(last_used_at, created_at)"), "id"])
    revoked = sa.text("revoked_at IS NOT NULL")
    op.create_index(
        "ix_app_grant_revoked", "app_grant", ["created_at", "id"], sqlite_where=revoked, postgresql_where=revoked
    )
    op.create_table(
        "app_grant_scope",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("grant_id", sa.String(length=40), nullable=False),
        sa.Column("resource_id", sa.String(length=40), nullable=False),
        sa.Column("permission_id", sa.String(length=40), nullable=True),
        *_references("app_grant_scope", grant_id="app_grant", resource_id="resource"),
        *_references("app_grant_scope", "SET NULL", permission_id="permission"),
        sa.PrimaryKeyConstraint("id", name="pk_app_grant_scope"),
    )
    for column in ("grant_id", "resource_id", "permission_id"):
        op.create_index(f"ix_app_grant_scope_{column}", "app_grant_scope", [column])
    op.create_table(
        "refresh_token",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("grant_id", sa.String(length=40), nullable=False),
        sa.Column("hint", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("replaced_at", sa.BigInteger(), nullable=True),
        *_references("refresh_token", grant_id="app_grant"),
        sa.PrimaryKeyConstraint("digest", name="pk_refresh_token"),
    )
    for column in ("grant_id", "expires_at"):
        op.create_index(f"ix_refresh_token_{column}", "refresh_token", [column])


def _create_codes() -> None:
    op.create_table(
        "authorization_code",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("granted", sa.JSON(), nullable=False),
        sa.Column("redirect_uri", sa.String(length=2000), nullable=True),
        sa.Column("code_challenge", sa.String(length=128), nullable=False),
        sa.Column("jkt", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("grant_id", sa.String(length=40), nullable=True),
        *_references("authorization_code", user_id="user", client_id="client"),
        *_references("authorization_code", "SET NULL", grant_id="app_grant"),
        sa.PrimaryKeyConstraint("digest", name="pk_authorization_code"),
    )
    for column in ("client_id", "user_id", "expires_at", "grant_id"):
        op.create_index(f"ix_authorization_code_{column}", "authorization_code", [column])
    op.create_table(
        "device_code",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_code_digest", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("scope", sa.String(length=4000), nullable=True),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("interval", sa.Integer(), nullable=False),
        sa.Column("polled_at", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.String(length=40), nullable=True),
        sa.Column("granted", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        *_references("device_code", user_id="user", client_id="client"),
        sa.PrimaryKeyConstraint("digest", name="pk_device_code"),
        sa.UniqueConstraint("user_code_digest", name="uq_device_code_user_code_digest"),
    )
    for column in ("client_id", "expires_at", "user_id"):
        op.create_index(f"ix_device_code_{column}", "device_code", [column])


def _references(table: str, ondelete: str = "CASCADE", **columns: str) -> list[sa.ForeignKeyConstraint]:
    return [
        sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}", ondelete=ondelete)
        for column, other in columns.items()
    ]


def _watch_grants() -> None:
    """Move the authority epoch with every change of a grant."""
    for table, update in CARRIERS.items():
        if op.get_bind().dialect.name == "postgresql":
            op.execute(
                f'CREATE CONSTRAINT TRIGGER authority_{table} AFTER {update} OR DELETE ON "{table}" '
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION authority_moved()"
            )
            continue
        for event in (update, "DELETE"):
            verb = event.split()[0].lower()
            op.execute(f'CREATE TRIGGER authority_{table}_{verb} AFTER {event} ON "{table}" BEGIN {BUMP}; END')
