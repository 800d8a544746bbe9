"""Status lists: an index for what tokens were decided from, and what has changed since an index was judged."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base

CAPACITY = 2**17  # indexes of a list: its bits are 16 KiB


class StatusList(Base):
    """A list for the tokens that expire before `ends_at`; afterwards it is deleted."""

    __tablename__ = "status_list"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ends_at: Mapped[datetime] = mapped_column(index=True)
    used: Mapped[int] = mapped_column(default=0)  # how many indexes
    lost_from: Mapped[int | None]  # what was issued from this index on is not known, as in a restored list, and refused


class StatusEntry(Base):
    """An index: tokens that were decided alike share it. It is invalid once `valid_until` is over; None: all the time.

    `fingerprint` is the digest of what was decided; None: no further token gets this index.
    """

    __tablename__ = "status_entry"
    __table_args__ = (
        Index(
            "ix_status_entry_ending",
            "number",
            "valid_until",
            "idx",
            sqlite_where=text("valid_until IS NOT NULL"),
            postgresql_where=text("valid_until IS NOT NULL"),
        ),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    idx: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner: Mapped[str] = mapped_column(String(64), index=True)  # the first of its subjects: what is judged together
    fingerprint: Mapped[str | None] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(40))  # of the tokens; empty: of several decisions, ended by any change
    kid: Mapped[str] = mapped_column(String(64))  # of the key that signs the tokens
    jti: Mapped[str] = mapped_column(String(40))  # older than that of any of the tokens
    claims: Mapped[str] = mapped_column(Text)  # JSON, of every token of this index
    created_at: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    revoked: Mapped[bool] = mapped_column(default=False)  # one of its tokens was


class StatusSubject(Base):
    """What an index depends on: the id of a client, user, personal access token, API key or grant."""

    __tablename__ = "status_subject"
    __table_args__ = (
        ForeignKeyConstraint(["number", "idx"], ["status_entry.number", "status_entry.idx"], ondelete="CASCADE"),
        Index("ix_status_subject_number", "number", "idx"),
    )

    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    idx: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class StatusChange(Base):
    """Something that changed since the indexes that depend on it were judged; written by triggers."""

    __tablename__ = "status_change"

    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
