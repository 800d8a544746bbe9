"""Find and revoke a credential by its kind and id, for an operator who no longer has its secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.clock import Clock
from app.credentials.kind import Description, SecretKind
from app.database.store import Store
from app.errors import NotFound

Revoke = Callable[[Actor, Description], None]


class KnownCredentials:
    """Describes and revokes credentials of every kind, by the kind's name in the audit trail."""

    def __init__(self, store: Store, kinds: Sequence[SecretKind], revokers: Mapping[str, Revoke], clock: Clock) -> None:
        """`revokers` are the directory's actions by kind: a kind with rules of its own is revoked by these."""
        self._store = store
        self._kinds = kinds
        self._revokers = revokers
        self._clock = clock

    @property
    def titles(self) -> dict[str, str]:
        """What one credential of each kind is called on pages."""
        return {kind.target: kind.labels.one for kind in self._kinds}

    def get(self, target: str, credential_id: str) -> Description:
        """Return what is known of a credential; raises NotFound."""
        return self._find(target, credential_id)[1]

    def revoke(self, actor: Actor, target: str, credential_id: str) -> None:
        """Revoke a credential on every node; revoking it again changes nothing. Raises NotFound, Forbidden."""
        kind, found = self._find(target, credential_id)
        if target in self._revokers:
            self._revokers[target](actor, found)
        else:
            self._revoke(actor, kind, credential_id)

    def _find(self, target: str, credential_id: str) -> tuple[SecretKind, Description]:
        now = self._clock()
        with self._store.reading() as session:
            for kind in self._kinds:
                if kind.target == target and (found := kind.find(session, credential_id, now)):
                    return kind, found
        raise NotFound("there is no such credential")

    def _revoke(self, actor: Actor, kind: SecretKind, credential_id: str) -> None:
        now = self._clock()
        with self._store.transaction() as session:
            if kind.revoke(session, credential_id, now, "revoked by an operator"):
                record(session, actor, f"{kind.target}.revoke", kind.target, credential_id, now)
