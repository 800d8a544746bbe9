"""Revoke credentials that were found in public: anybody may report one, and it ends at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.outbox.notices import Notices
from app.clock import Clock
from app.credentials.kind import SecretKind
from app.crypto.pasted_token import strip_scheme
from app.database.store import Store

REASON = "reported as leaked"


Position = tuple[str, str]  # a target's type and id; revoked in this order, so that two reports cannot deadlock


class ReportLeak:
    """Possession is the only proof that is needed; unknown strings are ignored."""

    def __init__(self, store: Store, kinds: Sequence[SecretKind], notices: Notices, clock: Clock) -> None:
        self._store = store
        self._notices = notices
        self._kinds = kinds
        self._clock = clock

    def __call__(self, actor: Actor, credentials: Sequence[str]) -> int:
        """Revoke each credential that is ours, all in one transaction; return how many were not revoked before."""
        now, presented = self._clock(), [strip_scheme(credential) for credential in credentials]
        with self._store.reading() as session:  # strings that are not ours never take the write lock
            leaked = self._find_all(session, list(dict.fromkeys(presented)), now)
        if not leaked:
            return 0
        with self._store.transaction() as session:
            return sum(self._revoke(session, actor, leaked[position], position, now) for position in sorted(leaked))

    def _find_all(self, session: Session, tokens: Sequence[str], now: datetime) -> dict[Position, SecretKind]:
        """Look up the tokens of each kind together: a report of many costs a few statements."""
        found: dict[Position, SecretKind] = {}
        for kind in self._kinds:
            own = [token for token in tokens if kind.recognizes(token)]
            found |= {(kind.target, identity.credential_id): kind for identity in kind.identify(session, own, now)}
        return found

    def _revoke(self, session: Session, actor: Actor, kind: SecretKind, position: Position, now: datetime) -> bool:
        target_type, credential_id = position
        revoked = kind.revoke(session, credential_id, now, REASON)
        if revoked:
            record(session, actor, "credential.report_leak", target_type, credential_id, now)
            found = kind.find(session, credential_id, now)
            if found is not None:
                self._notices.notify_leaked(session, found, now)
        return revoked
