"""Record when a credential was last used, without a write per use: noted in memory, written in batches."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, or_, update
from sqlalchemy.exc import SQLAlchemyError

from app.clock import Clock
from app.credentials.kind import Claims, CredentialKind
from app.database.store import Store

INTERVAL = 20.0  # seconds; the contract allows a minute
MOST_NOTED = 8_000  # uses; as many are written at once, before the interval is over
BATCH = 500  # uses in one transaction, so that its locks are short
Use = tuple[str, str]  # a kind and the id of its row


def use_of(claims: Claims) -> Use | None:
    """Return the row that stores the last use of these claims; None for a token that is not stored."""
    return None if claims.secret is None else (claims.kind, claims.secret.credential_id)


class Usage:
    """Collect uses; a thread of its own writes them, and a clean stop writes the rest."""

    def __init__(self, store: Store, kinds: Sequence[CredentialKind], clock: Clock, interval: float = INTERVAL) -> None:
        """`interval` is the number of seconds that a use may wait to be written."""
        self._store = store
        self._tables: dict[str, Any] = {kind.name: kind.used_rows for kind in kinds if kind.used_rows is not None}
        self._clock = clock
        self._interval = interval
        self._noted: dict[Use, datetime] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._stopping = threading.Event()
        self._due = threading.Event()  # to stop, or to write before the interval is over
        self._writer: threading.Thread | None = None

    def note(self, claims: Claims) -> None:
        """Remember that this credential was used now; an exchanged token counts as its source."""
        use = use_of(claims)
        if use is not None:
            self.note_row(use, self._clock())

    def note_row(self, use: Use, at: datetime) -> None:
        """Remember a use by the row that `use_of` returned."""
        with self._lock:
            self._noted[use] = at
            if len(self._noted) == MOST_NOTED:
                self._due.set()
            if self._writer is None and not self._stopping.is_set():
                self._writer = threading.Thread(target=self._write_on, name="last-used", daemon=True)
                self._writer.start()

    def flush(self) -> None:
        """Write what was noted; what cannot be written now is kept for the next time."""
        with self._writing:  # a stop waits for the batch that is under way
            with self._lock:
                noted, self._noted = self._noted, {}
            try:
                self._write(noted)
            except SQLAlchemyError:
                with self._lock:
                    self._noted = noted | self._noted

    def stop(self) -> None:
        """Write the rest and end the thread; for a clean stop of the process."""
        self._stopping.set()
        self._due.set()
        self.flush()

    def _write_on(self) -> None:
        while not self._stopping.is_set():
            self._due.wait(self._interval)
            self._due.clear()
            self.flush()

    def _write(self, noted: dict[Use, datetime]) -> None:
        in_turn = sorted(noted.items())  # two nodes must not wait for one another's rows
        for kind, table in self._tables.items():
            uses = [use for use in in_turn if use[0][0] == kind]
            later = or_(table.last_used_at.is_(None), table.last_used_at < bindparam("at"))
            statement = update(table.__table__).where(table.id == bindparam("row"), later)
            for first in range(0, len(uses), BATCH):
                batch = [{"row": row_id, "at": at} for (_, row_id), at in uses[first : first + BATCH]]
                with self._store.transaction() as session:
                    session.connection().execute(statement.values(last_used_at=bindparam("at")), batch)
