"""Where users sign in from: strangers who guess at a user's password elsewhere do not keep the user out."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base


class KnownAddress(Base):
    """A user gave the right password from an address, of which the digest is kept, lately."""

    __tablename__ = "known_address"

    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    address_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    noted_at: Mapped[datetime] = mapped_column(index=True)
