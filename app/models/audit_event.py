"""The audit events, each chained to the previous one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Connection, Index, Integer, String, Table, event, insert
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base

NO_HASH = "0" * 64  # the previous hash of the first event
UNCHAINED = 1 << 40  # the first id of events without a hash, from nodes of a version without the chain


class AuditEvent(Base):
    """Who did what to which object, when and from where. Rows are only appended, at the end of the chain."""

    __tablename__ = "audit_event"
    __table_args__ = (  # each filter of the trail, in its order: newest first
        Index("ix_audit_event_listed", "at", "id"),
        *(Index(f"ix_audit_event_by_{name}", name, "at", "id") for name in ("actor", "action", "target")),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[datetime] = mapped_column()
    actor_type: Mapped[str] = mapped_column(String(20))
    actor: Mapped[str] = mapped_column(String(200))  # an id of a user or a client, or a placeholder
    actor_name: Mapped[str] = mapped_column(String(200), default="")
    action: Mapped[str] = mapped_column(String(100))
    target_type: Mapped[str] = mapped_column(String(40))
    target: Mapped[str] = mapped_column(String(200))
    address: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(64))
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    previous_hash: Mapped[str | None] = mapped_column(String(64))
    hash: Mapped[str | None] = mapped_column(String(64))  # SHA-256 of the columns above


class AuditHead(Base):
    """The one row with the end of the chain; a transaction that appends events locks it until commit."""

    __tablename__ = "audit_head"

    chain: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_id: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))


def _begin(_: Table, connection: Connection, **__: Any) -> None:
    connection.execute(insert(AuditHead).values(chain=1, last_id=0, hash=NO_HASH))


def _leave_room(_: Table, connection: Connection, **__: Any) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ALTER SEQUENCE audit_event_id_seq RESTART WITH {UNCHAINED}")


event.listen(AuditEvent.__table__, "after_create", _leave_room)
event.listen(AuditHead.__table__, "after_create", _begin)
