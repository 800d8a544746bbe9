"""Links with which a user sets a password or a passkey: an invitation, or a reset."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base


class OneTimeLink(Base):
    """A link that works once, within an hour; `purpose` is `invitation` or `reset`."""

    __tablename__ = "one_time_link"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(String(20))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]

    def __repr__(self) -> str:
        """Show the id, never the digest."""
        return f"<OneTimeLink {self.id}>"
