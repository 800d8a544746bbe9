"""Federated credentials: foreign tokens, by issuer and subject, that authenticate a client."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base


class FederatedCredential(Base):
    """A kind of foreign token that authenticates a client (RFC 7523); it contains no secret."""

    __tablename__ = "federated_credential"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    issuer: Mapped[str] = mapped_column(String(500), index=True)
    audience: Mapped[str] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(500))
    claims: Mapped[dict[str, str]] = mapped_column(JSON)
    jwks: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    jwks_uri: Mapped[str | None] = mapped_column(String(2000))
    created_at: Mapped[datetime]
