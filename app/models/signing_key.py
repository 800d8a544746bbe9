"""The keys that sign our tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base


class SigningKey(Base):
    """A key, `next` (published, does not sign yet), `active` (the one that signs) or `retiring` (verifies only)."""

    __tablename__ = "signing_key"
    __table_args__ = (
        Index(  # at most one key in each of these states, also when two nodes rotate at the same moment
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
        """Show the kid, never the key material."""
        return f"<SigningKey {self.kid}>"
