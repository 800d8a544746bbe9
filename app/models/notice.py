"""Notices to users: what each one wants to get and in which language, and which notices were already found due."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base


class NoticePreference(Base):
    """The language in which a user gets mail, and the types of notices that the user turned off."""

    __tablename__ = "notice_preference"

    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    language: Mapped[str | None] = mapped_column(String(10))
    turned_off: Mapped[list[str]] = mapped_column(JSON, default=list)


class FoundNotice(Base):
    """A notice that a credential was due, so that no later search and no other node makes it again."""

    __tablename__ = "found_notice"

    credential_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    notice: Mapped[str] = mapped_column(String(30), primary_key=True)
    due: Mapped[datetime] = mapped_column(primary_key=True, index=True)  # the end, or the end of the time without use
