"""Revoke credentials that were found in public: anybody may report one, and it ends at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.clock import Clock
from app.credentials.kind import SecretKind
from app.crypto.pasted_token import strip_scheme
from app.database.store import Store

REASON = "reported as leaked"


@dataclass(frozen=True, slots=True)
class _Leaked:
    kind: SecretKind
    credential_id: str

    @property
    def position(self) -> tuple[str, str]:
        """The order to revoke in: two reports of the same credentials must not wait for one another."""
        return self.kind.target, self.credential_id


class ReportLeak:
    """Possession is the only proof that is needed; what is not ours is ignored."""

    def __init__(self, store: Store, kinds: Sequence[SecretKind], clock: Clock) -> None:
        self._store = store
        self._kinds = kinds
        self._clock = clock

    def __call__(self, actor: Actor, credentials: Sequence[str]) -> int:
        """Revoke each credential that is ours, all in one transaction; return how many were live until now."""
        now, presented = self._clock(), [strip_scheme(credential) for credential in credentials]
        with self._store.reading() as session:  # strings that are not ours never take the write lock
            leaked = self._find_all(session, list(dict.fromkeys(presented)), now)
        if not leaked:
            return 0
        with self._store.transaction() as session:
            return sum(_revoke(session, actor, one, now) for one in sorted(leaked, key=lambda one: one.position))

    def _find_all(self, session: Session, tokens: Sequence[str], now: datetime) -> set[_Leaked]:
        """Look up the tokens of each kind together: a report of many costs a few statements."""
        found: set[_Leaked] = set()
        for kind in self._kinds:
            own = [token for token in tokens if kind.recognizes(token)]
            found |= {_Leaked(kind, identity.credential_id) for identity in kind.identify(session, own, now)}
        return found


def _revoke(session: Session, actor: Actor, leaked: _Leaked, now: datetime) -> bool:
    revoked = leaked.kind.revoke(session, leaked.credential_id, now, REASON)
    if revoked:
        record(session, actor, "credential.report_leak", leaked.kind.target, leaked.credential_id, now)
    return revoked
