"""Revoke a credential that its holder presents (RFC 7009)."""

from __future__ import annotations

from collections.abc import Sequence

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.clock import Clock
from app.credentials.kind import Identity, SecretKind
from app.database.store import Store
from app.errors import InvalidGrant, Unauthenticated

REASON = "revoked by its holder"


class RevokeToken:
    """Effective on every node when the call returns, because every node reads the row."""

    def __init__(self, store: Store, kinds: Sequence[SecretKind], clock: Clock) -> None:
        self._store = store
        self._kinds = kinds
        self._clock = clock

    def __call__(self, actor: Actor, token: str, client_id: str | None) -> None:
        """Revoke the presented token; do nothing for an unknown one (RFC 7009 §2.2).

        `client_id` is the authenticated client, if any. Raises Unauthenticated for a client's token presented without
        one, InvalidGrant for another client's.
        """
        kind = next((kind for kind in self._kinds if kind.recognizes(token)), None)
        if kind is None:
            return
        now = self._clock()
        with self._store.connection() as connection:
            found = kind.identify(connection, [token], now)
        for identity in found:
            _refuse_other_clients(identity, client_id)
            with self._store.transaction() as session:
                if kind.revoke(session, identity.credential_id, now, REASON):
                    record(session, actor, f"{kind.target}.revoke", kind.target, identity.credential_id, now)


def _refuse_other_clients(identity: Identity, client_id: str | None) -> None:
    if identity.client_id is not None and client_id is None:
        raise Unauthenticated("only the client that a token was issued to revokes it", "invalid_client")
    if identity.client_id not in (None, client_id):
        raise InvalidGrant("the token was issued to another client")  # RFC 7009 §2.1
