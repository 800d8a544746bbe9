"""Leases: one process of all nodes at a time does a job, and another one takes over when it dies."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import String, or_, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from app.clock import Clock
from app.database.store import Store
from app.database.types import Base


class JobLease(Base):
    """The process that does a job, and until when no other one may."""

    __tablename__ = "job_lease"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(32))
    until: Mapped[datetime] = mapped_column()


class Lease:
    """The leases of one process. They last by the clock of the node that takes one: a job must bear two at once."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Choose a random name for this process: ids of processes are used again, also by other nodes."""
        self._store = store
        self._clock = clock
        self._holder = secrets.token_hex(16)
        self._was_taken = False

    def take(self, name: str, seconds: float) -> bool:
        """Take or extend the lease of a job; return False while another process has it."""
        now = self._clock()
        values = {"name": name, "holder": self._holder, "until": now + timedelta(seconds=seconds)}
        insert = postgresql_insert if self._store.dialect == "postgresql" else sqlite_insert
        free = or_(JobLease.until <= now, JobLease.holder == self._holder)
        statement = (
            insert(JobLease).values(**values).on_conflict_do_update(index_elements=["name"], set_=values, where=free)
        )
        with self._store.transaction() as session:
            taken = session.execute(statement.returning(JobLease.name)).first() is not None
        self._was_taken |= taken
        return taken

    def give_back(self) -> None:
        """End every lease of this process, at its clean stop."""
        if not self._was_taken:
            return  # a process that did no job stops without a write
        with self._store.transaction() as session:
            session.execute(update(JobLease).where(JobLease.holder == self._holder).values(until=self._clock()))
