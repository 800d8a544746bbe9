"""Look up which credential a secret is, its owner, and why it is not active. The secret is not stored."""

from __future__ import annotations

from collections.abc import Sequence

from app.clock import Clock
from app.credentials.kind import Description, SecretKind
from app.crypto.pasted_token import strip_scheme
from app.database.store import Store

MALFORMED = Description("malformed", "not in a format that this server issues")
UNKNOWN = Description("unknown", "never issued by this server, or replaced since")


class Inspect:
    """Describe a credential, active or not, by the kind that recognizes it."""

    def __init__(self, store: Store, kinds: Sequence[SecretKind], clock: Clock) -> None:
        self._store = store
        self._kinds = kinds
        self._clock = clock

    def __call__(self, credential: str) -> Description:
        """Return what is known; `malformed` for a format that no kind has, `unknown` for what was never issued."""
        credential = strip_scheme(credential)
        kind = next((kind for kind in self._kinds if kind.recognizes(credential)), None)
        if kind is None:
            return MALFORMED
        with self._store.reading() as session:
            return kind.describe(session, credential, self._clock()) or UNKNOWN
