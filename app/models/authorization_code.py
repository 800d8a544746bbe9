"""What an app trades for tokens once: authorization codes and device codes, as digests."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base


class AuthorizationCode(Base):
    """A code (RFC 6749 §4.1), bound to client, redirect URI and challenge; a used one stays, so that its replay ends
    the grant."""

    __tablename__ = "authorization_code"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    granted: Mapped[dict[str, list[str]]] = mapped_column(JSON)  # resource identifier to scope names
    redirect_uri: Mapped[str | None] = mapped_column(String(2000))  # None: not in the request
    code_challenge: Mapped[str] = mapped_column(String(128))
    jkt: Mapped[str | None] = mapped_column(String(64))  # RFC 9449 §10
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    grant_id: Mapped[str | None] = mapped_column(ForeignKey("app_grant.id", ondelete="SET NULL"), index=True)


class DeviceCode(Base):
    """A device code and its user code (RFC 8628), from the request of the device to the user's answer."""

    __tablename__ = "device_code"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_code_digest: Mapped[str] = mapped_column(String(64), unique=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), index=True)
    scope: Mapped[str | None] = mapped_column(String(4000))
    resources: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    interval: Mapped[int]  # seconds between two polls
    polled_at: Mapped[datetime | None]
    user_id: Mapped[str | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)  # who answered
    granted: Mapped[dict[str, list[str]] | None] = mapped_column(JSON(none_as_null=True))  # None: refused
    used_at: Mapped[datetime | None]
