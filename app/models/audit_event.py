"""The trace of who did what, each event chained to the one before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Connection, Integer, String, Table, event, insert
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base

NO_HASH = "0" * 64  # what the first event of all names as the one before
UNCHAINED = 1 << 40  # the first id of what is added without one, by nodes of a version that knows no chain


class AuditEvent(Base):
    """Who did what to which thing, when, from where. Rows are only ever added, at the end of the chain."""

    __tablename__ = "audit_event"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor_type: Mapped[str] = mapped_column(String(20))
    actor: Mapped[str] = mapped_column(String(200), index=True)  # an id: of a user, a client, or what stands for none
    actor_name: Mapped[str] = mapped_column(String(200), default="")
    action: Mapped[str] = mapped_column(String(100), index=True)
    target_type: Mapped[str] = mapped_column(String(40))
    target: Mapped[str] = mapped_column(String(200), index=True)
    address: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(64))
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    previous_hash: Mapped[str | None] = mapped_column(String(64))
    hash: Mapped[str | None] = mapped_column(String(64))  # SHA-256, of all that is above


class AuditHead(Base):
    """The one row that says where the chain ends; who adds an event holds it until the commit."""

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
