"""The keys that sign our tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base


class SigningKey(Base):
    """`state` is `next` (published, does not sign yet), `active` (one, signs) or `retiring` (verifies only)."""

    __tablename__ = "signing_key"
    __table_args__ = (
        Index(  # at most one key of each of these states, whoever rotates at the same moment
            "uq_signing_key_one_active_one_next",
            "state",
            unique=True,
            sqlite_where=text("state <> 'retiring'"),
            postgresql_where=text("state <> 'retiring'"),
        ),
    )

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    alg: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10))
    public_jwk: Mapped[dict[str, Any]] = mapped_column(JSON)
    sealed_private_key: Mapped[bytes] = mapped_column(LargeBinary)  # encrypted under the SECRET_KEY setting
    created_at: Mapped[datetime]
    retires_at: Mapped[datetime | None]

    def __repr__(self) -> str:
        """Name the key by its kid, never by its material."""
        return f"<SigningKey {self.kid}>"
