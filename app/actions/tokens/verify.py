"""Verify: is this credential active now, and what may it do?"""

from __future__ import annotations

from collections.abc import Sequence

from app.clock import Clock
from app.credentials.kind import Claims, CredentialKind, Verdict
from app.crypto.access_token import MAX_TOKEN_LENGTH
from app.database.store import Store


class Verify:
    """Verify a credential of any kind, narrowed to the scopes that the owner's roles give now."""

    def __init__(self, store: Store, kinds: Sequence[CredentialKind], clock: Clock) -> None:
        self._store = store
        self._kinds = kinds
        self._clock = clock

    def __call__(self, token: str) -> Claims | None:
        """Return the claims of an active credential; None for anything else, whatever the reason."""
        verdict = self.judge(token)
        return verdict if isinstance(verdict, Claims) else None

    def judge(self, token: str) -> Verdict:
        """Like a call, with the reason where verification learnt it: a refusal is explained without a further query."""
        kind = self._recognize(token)
        if kind is None:
            return None
        with self._store.connection() as connection:
            return kind.verify(connection, token, self._clock())

    def _recognize(self, token: str) -> CredentialKind | None:
        if len(token) > MAX_TOKEN_LENGTH:
            return None
        return next((kind for kind in self._kinds if kind.recognizes(token)), None)
