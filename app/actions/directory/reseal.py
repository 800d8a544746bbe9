"""Encrypt the signing keys under a new SECRET_KEY."""

from __future__ import annotations

from collections.abc import Callable

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.clock import Clock
from app.crypto.signing import LOCK, SigningKeys
from app.database.locks import advisory_lock
from app.database.store import Store


class Reseal:
    """Encrypt every signing key under SECRET_KEY, so that the earlier keys can be dropped."""

    def __init__(self, store: Store, keys: SigningKeys, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock

    def __call__(
        self, actor: Actor, change: Callable[[], None] | None = None, settled: Callable[[], None] | None = None
    ) -> int:
        """Return how many were encrypted again. Raises BadSettings when no accepted key decrypts one of them.

        `change` replaces SECRET_KEY before that, `settled` is called after the commit, when no earlier key is needed;
        both under the lock.
        """
        with self._store.transaction() as session:
            advisory_lock(session, LOCK)
            if change:
                self._keys.reseal(session)  # a key that cannot be decrypted is found before anything changes
                change()
            sealed = self._keys.reseal(session)
            record(session, actor, "signing_key.reseal", "signing_key", "all", self._clock(), keys=sealed)
        if settled:
            with self._store.transaction() as session:  # after the commit: a crash may need the earlier keys
                advisory_lock(session, LOCK)
                if not self._keys.sealed_before(session):
                    settled()
        return sealed
