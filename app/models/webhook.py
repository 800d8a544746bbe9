"""Webhooks of operators, and the outbox: what is still to be delivered to them, or by mail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base

WAITING: dict[str, Any] = {"sqlite_where": text("ended_at IS NULL"), "postgresql_where": text("ended_at IS NULL")}


class Webhook(Base):
    """A URL that is sent messages of some types; `events` has their names, or ALL_EVENTS."""

    __tablename__ = "webhook"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    url: Mapped[str] = mapped_column(String(2000))
    events: Mapped[list[str]] = mapped_column(JSON)
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)  # encrypted under the SECRET_KEY setting
    sealed_former_secret: Mapped[bytes | None] = mapped_column(LargeBinary)  # signs too, until `former_ends_at`
    former_ends_at: Mapped[datetime | None]
    enabled: Mapped[bool] = mapped_column(default=True)
    disabled_reason: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]  # the last time that it accepted a message
    failing_since: Mapped[datetime | None]  # since when it has accepted none
    failures: Mapped[int] = mapped_column(default=0)  # since then
    paused_until: Mapped[datetime | None]  # it is sent nothing before

    def __repr__(self) -> str:
        """Show the id, never a secret."""
        return f"<Webhook {self.id}>"


class OutboxMessage(Base):
    """A message to deliver: written in the transaction of the change that it reports, ended by its delivery.

    Messages of one recipient with the same `order_key` are delivered in the order of their ids.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_order", "channel", "recipient", "order_key", "id", **WAITING),
        Index("ix_outbox_due", "channel", "next_attempt_at", "id", **WAITING),
        Index("ix_outbox_recipient", "recipient", "id"),
        Index("ix_outbox_ended_at", "ended_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    message_id: Mapped[str] = mapped_column(String(40))  # the same in each attempt; unlike the id never used twice
    channel: Mapped[str] = mapped_column(String(10))
    recipient: Mapped[str] = mapped_column(String(40))  # the id of a webhook or a user, by channel
    order_key: Mapped[str] = mapped_column(String(200))
    type: Mapped[str] = mapped_column(String(100))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    first_attempt_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    result: Mapped[str | None] = mapped_column(String(200))
