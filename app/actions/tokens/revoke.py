"""Revoke a credential that its holder presents (RFC 7009)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.clock import Clock
from app.credentials.kind import CredentialKind, Holder
from app.database.store import Store
from app.errors import InvalidGrant, Unauthenticated


class Opaque(CredentialKind, Protocol):
    """A kind whose possession proves the right to revoke."""

    def identify(self, connection: Connection | Session, token: str, at: datetime) -> str | None:
        """Name the credential that this opens."""

    def identify_all(self, connection: Connection | Session, tokens: Sequence[str], at: datetime) -> set[str]:
        """Name the credentials that these open, in a bounded number of statements."""


class Signed(Protocol):
    """A kind of JWT: it belongs to the client that it was issued to."""

    def recognizes(self, token: str) -> bool:
        """Tell by shape alone."""

    def holder(self, connection: Connection | Session, token: str, at: datetime) -> Holder | None:
        """Name the token and its client."""

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """Deny it."""


class RevokeToken:
    """Effective on every node when it returns: the row is what each of them reads."""

    def __init__(self, store: Store, opaque: Sequence[Opaque], signed: Sequence[Signed], clock: Clock) -> None:
        self._store = store
        self._opaque = opaque
        self._signed = signed
        self._clock = clock

    def __call__(self, actor: Actor, token: str, client_id: str | None) -> None:
        """End what was presented; nothing happens for what is unknown (RFC 7009 §2.2).

        `client_id` is the authenticated client, if any. Raises Unauthenticated for a client's token presented without
        one, InvalidGrant for another client's.
        """
        for opaque in self._opaque:
            if opaque.recognizes(token):
                return self._end_opaque(actor, opaque, token)
        for signed in self._signed:
            if signed.recognizes(token):
                return self._end_signed(actor, signed, token, client_id)
        return None

    def _end_opaque(self, actor: Actor, kind: Opaque, token: str) -> None:
        now = self._clock()
        with self._store.connection() as connection:
            found = kind.identify(connection, token, now)
        if found is not None:
            with self._store.transaction() as session:
                if kind.revoke(session, found, now, "revoked by its holder"):
                    record(session, actor, f"{kind.name}.revoke", kind.name, found, now)

    def _end_signed(self, actor: Actor, kind: Signed, token: str, client_id: str | None) -> None:
        now = self._clock()
        with self._store.connection() as connection:
            holder = kind.holder(connection, token, now)
        if holder is None:
            return
        if holder.client_id is not None and client_id is None:
            raise Unauthenticated("only the client that a token was issued to revokes it", "invalid_client")
        if holder.client_id not in (None, client_id):
            raise InvalidGrant("the token was issued to another client")  # RFC 7009 §2.1
        with self._store.transaction() as session:
            if kind.revoke(session, holder.credential_id, now, "revoked by its holder"):
                record(session, actor, "token.revoke", "token", holder.credential_id, now)
