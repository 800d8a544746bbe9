"""Sessions of users in browsers: one row each, so that each can be ended."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, String, text
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
    methods: Mapped[list[str]] = mapped_column(
        JSON, default=list, server_default=text("'[]'")
    )  # how the user authenticated: RFC 8176
    confirmed_at: Mapped[datetime | None]  # when the user last authenticated with each factor; None: at the beginning
    provider: Mapped[str | None] = mapped_column(String(40))  # the id of the identity provider
    provider_session: Mapped[str | None] = mapped_column(String(255), index=True)  # its `sid`, for a logout from there

    def __repr__(self) -> str:
        """Show the id, never the digest."""
        return f"<UserSession {self.id}>"
