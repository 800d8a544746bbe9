"""Registered clients, their secrets, their roles and the resources they serve."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import JSON, ForeignKey, String, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database.types import Base
from app.models.list_indexes import disabled_index, list_indexes, revoked_index
from app.models.resource import Resource
from app.models.role import Role

Registrar = Literal["operator", "itself", "document"]
BY_OPERATOR: Registrar = "operator"
BY_ITSELF: Registrar = "itself"  # RFC 7591
BY_DOCUMENT: Registrar = "document"  # a client ID metadata document
LONGEST_ID = 200  # characters of a client_id that is looked up


class ClientRole(Base):
    """A machine role of a client."""

    __tablename__ = "client_role"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), primary_key=True)
    role_id: Mapped[str] = mapped_column(ForeignKey("role.id", ondelete="CASCADE"), primary_key=True, index=True)


class ClientServes(Base):
    """A resource that a client serves."""

    __tablename__ = "client_serves"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), primary_key=True)
    resource_id: Mapped[str] = mapped_column(
        ForeignKey("resource.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class ClientSecret(Base):
    """A secret of a client, as its SHA-256 digest; a revoked one stays listed."""

    __tablename__ = "client_secret"
    __table_args__ = (*list_indexes("client_secret", "listed", "ends", "named"), revoked_index("client_secret"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(String(200))

    def __repr__(self) -> str:
        """Show the id, never the digest."""
        return f"<ClientSecret {self.id}>"


class Client(Base):
    """A registered, trusted client (RFC 6749 §2). `id` is the row's; `client_id` the public identifier."""

    __tablename__ = "client"
    __table_args__ = (*list_indexes("client", "listed", "named", "by_client_id"), disabled_index("client"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(200), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    token_endpoint_auth_method: Mapped[str] = mapped_column(String(40))
    jwks: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    jwks_uri: Mapped[str | None] = mapped_column(String(2000))
    enabled: Mapped[bool] = mapped_column(default=True)
    dpop_bound_access_tokens: Mapped[bool] = mapped_column(default=False, server_default=false())
    tls_client_certificate_bound_access_tokens: Mapped[bool] = mapped_column(default=False, server_default=false())
    tls_client_subject: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]
    dropped_scopes: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))  # scope to token_mark()
    grant_types: Mapped[list[str]] = mapped_column(
        JSON, default=lambda: ["client_credentials"], server_default=text("'[\"client_credentials\"]'")
    )
    redirect_uris: Mapped[list[str]] = mapped_column(JSON, default=list, server_default=text("'[]'"))
    scopes: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))  # that users may consent to; None: any
    logo_uri: Mapped[str | None] = mapped_column(String(2000))
    client_uri: Mapped[str | None] = mapped_column(String(2000))
    policy_uri: Mapped[str | None] = mapped_column(String(2000))
    registered_by: Mapped[str] = mapped_column(String(20), default=BY_OPERATOR, server_default=BY_OPERATOR)
    registration_digest: Mapped[str | None] = mapped_column(String(64))  # of its registration access token (RFC 7592)
    document_until: Mapped[datetime | None]  # how long its metadata document is kept

    roles: Mapped[list[Role]] = relationship(secondary="client_role", order_by=Role.name, passive_deletes=True)
    serves: Mapped[list[Resource]] = relationship(
        secondary="client_serves", order_by=Resource.identifier, passive_deletes=True
    )
    secrets: Mapped[list[ClientSecret]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, order_by=ClientSecret.id
    )
