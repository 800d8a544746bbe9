"""Addresses that users sign in from, from which guesses elsewhere do not lock them out."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base


class KnownAddress(Base):
    """An address, as its digest, from which a user signed in recently."""

    __tablename__ = "known_address"

    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    address_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    noted_at: Mapped[datetime] = mapped_column(index=True)
