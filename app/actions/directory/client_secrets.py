"""A client's secrets: several may live at once, so that one can follow another without a gap."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import keeping_administrators
from app.actions.directory.guard import refuse_changing_client, refuse_delegates
from app.actions.directory.lifetime import future_or_never
from app.actions.directory.names import checked_name
from app.actions.directory.paging import page
from app.actions.trust.auth_methods import PRIVATE_KEY_JWT, SECRET_METHODS, SELF_SIGNED_METHOD, TLS_METHOD
from app.clock import Clock
from app.credentials.kind import Issued
from app.crypto.opaque import Prefix, digest, hint, mint
from app.database.store import Store, held, new_id
from app.errors import Conflict, NotFound
from app.models import Client, ClientSecret

Status = Literal["active", "expired", "revoked"]
TARGET = "client_secret"
MOST_LIVE = 5
PROOFS = {
    PRIVATE_KEY_JWT: "its private key",
    TLS_METHOD: "its certificate",
    SELF_SIGNED_METHOD: "its certificate",
    "federated_jwt": "the tokens of issuers that it trusts",
}


@dataclass(frozen=True, slots=True)
class SecretView:
    """A secret as it is shown: what it is recognised by, never itself."""

    id: str
    name: str
    hint: str
    created_at: datetime
    expires_at: datetime | None
    status: Status
    revoked_at: datetime | None
    revoked_reason: str | None


class ClientSecretActions:
    """An operator's work on the secrets of a client."""

    def __init__(self, store: Store, management_identifier: str, clock: Clock) -> None:
        self._store = store
        self._management = management_identifier
        self._clock = clock

    def create(
        self, actor: Actor, client_row_id: str, name: str | None, expires_at: datetime | None
    ) -> tuple[SecretView, Issued]:
        """Add a secret to a client, perhaps without a name. Raises Forbidden, NotFound, Invalid, Conflict."""
        refuse_delegates(actor)
        now = self._clock()
        name = "" if name is None else checked_name(name)  # blank is refused, left out is none
        with self._store.transaction() as session:
            client = self._changeable(session, actor, client_row_id)
            if client.token_endpoint_auth_method not in SECRET_METHODS:
                proof = PROOFS.get(client.token_endpoint_auth_method, "something else")
                raise Conflict(f"the client proves itself by {proof}: it takes no secret")
            if sum(_status(secret, now) == "active" for secret in client.secrets) >= MOST_LIVE:
                raise Conflict(f"a client has at most {MOST_LIVE} live secrets: delete one first")
            issued = mint_secret(client, name or "", now, future_or_never(expires_at, now))
            record(session, actor, f"{TARGET}.create", TARGET, issued.credential_id, now, client=client.client_id)
            session.flush()
            return _view(_found(session, client_row_id, issued.credential_id), now), issued

    def revoke(self, actor: Actor, client_row_id: str, secret_id: str) -> None:
        """End a secret for good; once more changes nothing.

        Raises NotFound, Forbidden, Conflict (the last secret of the last administrator).
        """
        now = self._clock()
        with self._store.transaction() as session, keeping_administrators(session, actor, now):
            client = self._changeable(session, actor, client_row_id)
            row = _found(session, client_row_id, secret_id)
            if row.revoked_at is None:
                row.revoked_at, row.revoked_reason = now, "revoked by an operator"
                record(session, actor, f"{TARGET}.revoke", TARGET, secret_id, now, client=client.client_id)

    def get(self, client_row_id: str, secret_id: str) -> SecretView:
        """Show one secret's hint; raises NotFound."""
        with self._store.reading() as session:
            return _view(_found(session, client_row_id, secret_id), self._clock())

    def page(
        self, client_row_id: str, limit: int, after: str | None = None, status: Status | None = None
    ) -> tuple[list[SecretView], str | None]:
        """List a client's secrets by their hints, oldest first; raises NotFound."""
        now = self._clock()
        query = select(ClientSecret).where(ClientSecret.client_id == client_row_id)
        query = query if status is None else query.where(_has_status(status, now))
        with self._store.reading() as session:
            if session.get(Client, client_row_id) is None:
                raise NotFound("there is no such client")
            rows, cursor = page(session, query, ClientSecret.id, limit, after)
            return [_view(row, now) for row in rows], cursor

    def _changeable(self, session: Session, actor: Actor, client_row_id: str) -> Client:
        """Lock the client, so that two requests together cannot make one secret too many."""
        client = session.scalar(held(select(Client).where(Client.id == client_row_id), Client))
        if client is None:
            raise NotFound("there is no such client")
        refuse_changing_client(actor, session, client.id, self._management)
        return client


def mint_secret(client: Client, name: str, at: datetime, expires_at: datetime | None = None) -> Issued:
    """Add a new secret to a client's row, within the caller's transaction."""
    secret, row_id = mint(Prefix.CLIENT_SECRET), new_id("sec")
    client.secrets.append(
        ClientSecret(
            id=row_id,
            name=name,
            digest=digest(secret),
            hint=hint(secret),
            created_at=at,
            expires_at=expires_at,
        )
    )
    return Issued(row_id, secret)


def _found(session: Session, client_row_id: str, secret_id: str) -> ClientSecret:
    query = select(ClientSecret).where(ClientSecret.id == secret_id, ClientSecret.client_id == client_row_id)
    row = session.scalar(query)
    if row is None:
        raise NotFound("the client has no such secret")
    return row


def _status(row: ClientSecret, now: datetime) -> Status:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "active"


def _has_status(status: Status, now: datetime) -> ColumnElement[bool]:
    revoked = ClientSecret.revoked_at.is_not(None)
    expired = and_(ClientSecret.expires_at.is_not(None), ClientSecret.expires_at <= now)
    live = or_(ClientSecret.expires_at.is_(None), ClientSecret.expires_at > now)
    return {"revoked": revoked, "expired": and_(~revoked, expired), "active": and_(~revoked, live)}[status]


def _view(row: ClientSecret, now: datetime) -> SecretView:
    return SecretView(
        id=row.id,
        name=row.name,
        hint=row.hint,
        created_at=row.created_at,
        expires_at=row.expires_at,
        status=_status(row, now),
        revoked_at=row.revoked_at,
        revoked_reason=row.revoked_reason,
    )
