"""Notice that a secret is presented after its end: a rotated key, a regenerated token, a deleted client secret.

The caller is answered as with any dead credential. A credential has one audit event an hour, however often and on
however many nodes its old secret is presented; an unknown or malformed text is never written down.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor, anonymous
from app.actions.audit.record import record
from app.actions.outbox.notices import Notices
from app.actions.tokens.inspect import find_kind
from app.actions.tokens.refusals import Explanation, Presented
from app.clock import Clock
from app.credentials.kind import Description, SecretKind
from app.crypto.opaque import prefix_of
from app.database.statements import delete_expired, upsert_if
from app.database.store import Store
from app.errors import Conflict
from app.models import ReusedCredential

EVENT = "credential.reused"
REASON = "a replaced secret was used"
INTERVAL = timedelta(hours=1)  # between two events of one credential
Consequence = Literal["", "revoke", "notice"]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reused:
    """What a notice says: whose old secret was presented, when, where, and whether its credential ended with it."""

    credential: Description
    at: datetime
    address: str | None
    ended: bool


Notify = Callable[[Session, Reused], None]


def notify_nobody(_session: Session, _reused: Reused) -> None:
    """Send no notice."""


def report_to(notices: Notices) -> Notify:
    """Return what sends a notice by these."""

    def report(session: Session, reused: Reused) -> None:
        notices.notify_reused(session, reused.credential, reused.at, address=reused.address, ended=reused.ended)

    return report


class Reuse:
    """Records the use of superseded secrets, and ends their credentials where the setting says so."""

    def __init__(
        self,
        store: Store,
        kinds: Sequence[SecretKind],
        consequence: Consequence,
        ending: Mapping[str, str],
        clock: Clock,
        notify: Notify = notify_nobody,
    ) -> None:
        """Take the targets that end unless `consequence` says otherwise, with the reason that is stored.

        `notify` is called within the transaction of the event.
        """
        self._store = store
        self._kinds = kinds
        self._consequence = consequence
        self._ending = ending
        self._clock = clock
        self._notify = notify

    def note(self, presented: Presented, explanation: Explanation | None) -> None:
        """Note the reuse of what was refused and explained; do nothing without an explanation."""
        found = explanation.credential if explanation else None
        if found is not None and found.superseded_at is not None:
            address = str(presented.address) if presented.address else None
            self.look_up(anonymous(address, presented.request_id), presented.token, reader=presented.caller)

    def look_up(
        self, actor: Actor, secret: str, *, client_id: str | None = None, reader: str | None = None
    ) -> Description | None:
        """Note the reuse of a secret that was refused; do nothing for one that is unknown, live or malformed.

        Return what was known of it before, if that was looked up.

        `client_id` is the client that presents it as its own: another client's use of a client's secret is an event and
        ends nothing. `reader` is the client that reads its state, which is not a use where the secret is its own. A
        database that cannot be written changes no answer: the next use is noted.
        """
        if prefix_of(secret) is None:  # JWTs are not replaced
            return None
        try:
            return self._look_up(actor, secret, client_id, reader)
        except (SQLAlchemyError, Conflict):
            log.warning("the reuse of a secret was not recorded: the database failed", exc_info=True)
            return None

    def _look_up(self, actor: Actor, secret: str, client_id: str | None, reader: str | None) -> Description | None:
        now = self._clock()
        kind = find_kind(self._kinds, secret)
        if kind is None:
            return None
        with self._store.reading() as session:
            found = kind.describe(session, secret, now)
            if found is None or found.superseded_at is None:
                return found
            owners = {identity.client_id for identity in kind.identify(session, [secret], now)} - {None}
        if found.superseded_at <= now and (reader is None or reader not in owners):
            self._note(actor, found, now, may_end=client_id is None or owners <= {client_id})
        return found

    def _note(self, actor: Actor, found: Description, now: datetime, *, may_end: bool) -> None:
        ends = may_end and self._ends(found)
        if not ends and self._is_noted(found, now):
            return
        with self._store.transaction() as session:
            first = _claim(session, found, now)
            ended = ends and self._end(session, found, now)
            if first or ended:
                record(session, actor, EVENT, str(found.target), str(found.id), now, **_details(found), ended=ended)
                self._notify(session, Reused(found, now, actor.address, ended))

    def _ends(self, found: Description) -> bool:
        """Return whether the credential goes on, and the setting, or else its kind, says that it has to end."""
        revokes = found.target in self._ending if not self._consequence else self._consequence == "revoke"
        return revokes and found.status == "superseded"

    def _end(self, session: Session, found: Description, now: datetime) -> bool:
        kind = next(kind for kind in self._kinds if kind.target == found.target)
        return kind.revoke(session, str(found.id), now, self._ending.get(kind.target, REASON))

    def _is_noted(self, found: Description, now: datetime) -> bool:
        """Return whether there was an event within the hour: then nothing is written, and no lock is waited for."""
        row = ReusedCredential
        query = select(row.noted_at).where(row.target == found.target, row.credential_id == found.id)
        with self._store.connection() as connection:
            noted_at = connection.scalar(query)
        return noted_at is not None and noted_at > now - INTERVAL


def _claim(session: Session, found: Description, now: datetime) -> bool:
    """Return whether this is the first within the hour, on any node: the conditional row decides a race."""
    row = ReusedCredential
    over = row.noted_at <= now - INTERVAL
    first = upsert_if(session, row, over, target=found.target, credential_id=found.id, noted_at=now)
    delete_expired(session, row, over)  # afterwards: before, two that sweep could wait for each other's row
    return first


def _details(found: Description) -> dict[str, object]:
    """Return whose it is, and by what a person recognizes the secret."""
    owner = {"user": found.owner_row_id, "client": found.owner_id}.get(found.owner_type or "")
    named = {found.owner_type or "": owner, "hint": found.hint}
    return {name: value for name, value in named.items() if value}
