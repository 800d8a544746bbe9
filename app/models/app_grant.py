"""What users allowed apps to do: consents, the grants that apps got by them, and the refresh tokens of a grant."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base
from app.models.list_indexes import list_indexes, revoked_index


class Consent(Base):
    """What a user agreed to for a client: asked again only for more; deleted when the user ends the app."""

    __tablename__ = "consent"
    __table_args__ = (UniqueConstraint("user_id", "client_id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ConsentScope(Base):
    """A scope that a user agreed to; a permission made later under the same name is not covered."""

    __tablename__ = "consent_scope"

    consent_id: Mapped[str] = mapped_column(ForeignKey("consent.id", ondelete="CASCADE"), primary_key=True)
    permission_id: Mapped[str] = mapped_column(
        ForeignKey("permission.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class AppGrant(Base):
    """One authorization of a client by a user, from a code or a device code to its end; its tokens end with it."""

    __tablename__ = "app_grant"
    __table_args__ = (*list_indexes("app_grant", "listed", "ends", "used"), revoked_index("app_grant"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(String(200))
    last_used_at: Mapped[datetime | None]
    jkt: Mapped[str | None] = mapped_column(
        String(64)
    )  # of a public client, RFC 9449 §5: its refresh tokens are bound to it


class AppGrantScope(Base):
    """A scope of a grant. The row outlives its permission, because it also records the audience."""

    __tablename__ = "app_grant_scope"

    id: Mapped[int] = mapped_column(primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("app_grant.id", ondelete="CASCADE"), index=True)
    resource_id: Mapped[str] = mapped_column(ForeignKey("resource.id", ondelete="CASCADE"), index=True)
    permission_id: Mapped[str | None] = mapped_column(ForeignKey("permission.id", ondelete="SET NULL"), index=True)


class RefreshToken(Base):
    """A refresh token of a grant, as its SHA-256 digest; a replaced one stays, so that its reuse is noticed."""

    __tablename__ = "refresh_token"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    grant_id: Mapped[str] = mapped_column(ForeignKey("app_grant.id", ondelete="CASCADE"), index=True)
    hint: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    replaced_at: Mapped[datetime | None]

    def __repr__(self) -> str:
        """Show the grant, never the digest."""
        return f"<RefreshToken of {self.grant_id}>"
