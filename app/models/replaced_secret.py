"""Secrets that were replaced, so that their use is noticed, and the credentials whose reuse was noted lately."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base


class ReplacedSecret(Base):
    """A secret that its credential's row no longer stores, as its SHA-256 digest; deleted after a time."""

    __tablename__ = "replaced_secret"
    __table_args__ = (Index("ix_replaced_secret_credential_id", "credential_id", "replaced_at"),)

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    target: Mapped[str] = mapped_column(String(40))  # the kind as the audit trail names it
    credential_id: Mapped[str] = mapped_column(String(40))
    hint: Mapped[str] = mapped_column(String(20))
    replaced_at: Mapped[datetime] = mapped_column(index=True)

    def __repr__(self) -> str:
        """Show the credential, never the digest."""
        return f"<ReplacedSecret of {self.credential_id}>"


class ReusedCredential(Base):
    """A credential of which a superseded secret was presented; the row is what makes it one event an hour."""

    __tablename__ = "reused_credential"

    target: Mapped[str] = mapped_column(String(40), primary_key=True)
    credential_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    noted_at: Mapped[datetime] = mapped_column(index=True)
