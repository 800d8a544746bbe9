"""Look up which credential a secret is, its owner, and why it is not active. The secret is not stored."""

from __future__ import annotations

from collections.abc import Sequence

from app.clock import Clock
from app.credentials.kind import Description, SecretKind
from app.crypto.opaque import prefix_of
from app.crypto.pasted_token import strip_scheme
from app.database.store import Store

MALFORMED = Description("malformed", "not in a format that this server issues")
SHORT_LIVED = Description("unknown", "a code or a registration access token, which cannot be looked up")
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
        kind = find_kind(self._kinds, credential)
        if kind is None:
            return MALFORMED if prefix_of(credential) is None else SHORT_LIVED
        with self._store.reading() as session:
            return kind.describe(session, credential, self._clock()) or UNKNOWN


def find_kind(kinds: Sequence[SecretKind], token: str) -> SecretKind | None:
    """Return the kind that recognizes a token by its shape."""
    return next((kind for kind in kinds if kind.recognizes(token)), None)
