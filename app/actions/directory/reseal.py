"""Seal the signing keys anew when SECRET_KEY has changed."""

from __future__ import annotations

from collections.abc import Callable

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.clock import Clock
from app.crypto.signing import LOCK, SigningKeys
from app.database.locks import advisory_lock
from app.database.store import Store


class Reseal:
    """Lets SECRET_KEY alone open the signing keys, so that the keys before it can be dropped."""

    def __init__(self, store: Store, keys: SigningKeys, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock

    def __call__(
        self, actor: Actor, change: Callable[[], None] | None = None, settled: Callable[[], None] | None = None
    ) -> int:
        """Tell how many were sealed anew. Raises BadSettings when there is one that no accepted key opens.

        `change` replaces SECRET_KEY before, `settled` is told once it is stored that no key of before is needed; both
        while nobody else seals.
        """
        with self._store.transaction() as session:
            advisory_lock(session, LOCK)
            if change:
                self._keys.reseal(session)  # what no key opens is found while nothing has changed
                change()
            sealed = self._keys.reseal(session)
            record(session, actor, "signing_key.reseal", "signing_key", "all", self._clock(), keys=sealed)
        if settled:
            with self._store.transaction() as session:  # after the commit: whoever dies in it still needs them
                advisory_lock(session, LOCK)
                if not self._keys.sealed_before(session):
                    settled()
        return sealed
