"""Sessions of users in browsers: one row each, so that each can be ended."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base


class UserSession(Base):
    """A session of a user in a browser. Its cookie has the secret, this row the digest of it."""

    __tablename__ = "user_session"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)
    address: Mapped[str | None] = mapped_column(String(64))
    agent: Mapped[str] = mapped_column(String(200), default="")

    def __repr__(self) -> str:
        """Show the id, never the digest."""
        return f"<UserSession {self.id}>"
