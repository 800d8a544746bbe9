"""API keys, their secrets, and the scopes of narrowed keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database.types import Base
from app.models.list_indexes import disabled_index, list_indexes, revoked_index
from app.models.resource import Permission, Resource


class ApiKeyScope(Base):
    """A public permission that a narrowed key has."""

    __tablename__ = "api_key_scope"

    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_key.id", ondelete="CASCADE"), primary_key=True)
    permission_id: Mapped[str] = mapped_column(
        ForeignKey("permission.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class ApiKeySecret(Base):
    """A secret of a key. A rotation sets `ends_at` on the old secrets: the end of the overlap."""

    __tablename__ = "api_key_secret"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_key.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]

    def __repr__(self) -> str:
        """Show the id, never the digest."""
        return f"<ApiKeySecret {self.id}>"


class ApiKey(Base):
    """Anonymous use of one resource. `narrowed`: a chosen subset of the public permissions, not all of them."""

    __tablename__ = "api_key"
    __table_args__ = (
        *list_indexes("api_key", "listed", "ends", "used", "named"),
        revoked_index("api_key"),
        disabled_index("api_key"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    resource_id: Mapped[str | None] = mapped_column(ForeignKey("resource.id", ondelete="SET NULL"), index=True)
    narrowed: Mapped[bool] = mapped_column(default=False)
    hint: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    enabled: Mapped[bool] = mapped_column(default=True)
    rate_limit_requests: Mapped[int | None]
    rate_limit_window_seconds: Mapped[int | None]
    allowed_ips: Mapped[list[str]] = mapped_column(JSON, default=list)
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(String(200))
    last_used_at: Mapped[datetime | None]

    resource: Mapped[Resource | None] = relationship()
    scopes: Mapped[list[Permission]] = relationship(
        secondary="api_key_scope", order_by=Permission.name, passive_deletes=True
    )
    secrets: Mapped[list[ApiKeySecret]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, order_by=ApiKeySecret.id
    )
