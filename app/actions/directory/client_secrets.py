"""A client's secrets: several may be live at once, so that one can replace another without a gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated

from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import keep_administrators
from app.actions.directory.client_rows import check_client, lock_changeable_client
from app.actions.directory.escalation import refuse_delegates
from app.actions.directory.fields import Mark, Name, Status
from app.actions.directory.lifetime import future_or_never
from app.actions.directory.names import checked_name
from app.actions.directory.rows import Page, Rows, view_of
from app.actions.directory.status import has_status, status_of
from app.clock import Clock
from app.credentials.kind import Issued
from app.crypto.opaque import Prefix, digest, hint, mint
from app.database.statements import batches
from app.database.store import Store
from app.database.types import new_id
from app.errors import Conflict
from app.models import Client, ClientSecret
from app.models.auth_methods import FEDERATED_JWT, NONE, PRIVATE_KEY_JWT, SECRET_METHODS, SELF_SIGNED_METHOD, TLS_METHOD

TARGET = "client_secret"
MOST_LIVE = 5
SECRETS = Rows(ClientSecret, "the client has no such secret")
PROOFS = {
    PRIVATE_KEY_JWT: "proves itself by its private key",
    TLS_METHOD: "proves itself by its certificate",
    SELF_SIGNED_METHOD: "proves itself by its certificate",
    FEDERATED_JWT: "proves itself by the tokens of issuers that it trusts",
    NONE: "is public",
}


@dataclass(frozen=True, slots=True)
class NewClientSecret:
    """A further secret of a client; its name and expiry are optional."""

    name: Annotated[Name | None, Mark.NOT_NULL] = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClientSecretView:
    """A secret as it is shown: its hint, never its text."""

    id: str
    name: str
    hint: str
    created_at: datetime
    expires_at: datetime | None
    status: Status
    revoked_at: datetime | None
    revoked_reason: str | None


class ClientSecretActions:
    """Add, list and revoke the secrets of a client."""

    def __init__(self, store: Store, management_identifier: str, clock: Clock) -> None:
        self._store = store
        self._management = management_identifier
        self._clock = clock

    def create(self, actor: Actor, client_row_id: str, new: NewClientSecret) -> tuple[ClientSecretView, Issued]:
        """Add a secret to a client. Raises Forbidden, NotFound, Invalid, Conflict."""
        refuse_delegates(actor)
        now = self._clock()
        name = "" if new.name is None else checked_name(new.name)  # blank is refused, left out is allowed
        with self._store.transaction() as session:
            client = lock_changeable_client(session, actor, client_row_id, self._management)
            if client.token_endpoint_auth_method not in SECRET_METHODS:
                proof = PROOFS.get(client.token_endpoint_auth_method, "proves itself by something else")
                raise Conflict(f"the client {proof}: it takes no secret")
            if sum(status_of(secret, now) == "active" for secret in client.secrets) >= MOST_LIVE:
                raise Conflict(f"a client has at most {MOST_LIVE} live secrets: delete one first")
            issued = mint_secret(client, name, now, future_or_never(new.expires_at, now))
            record(session, actor, f"{TARGET}.create", TARGET, issued.credential_id, now, client=client.client_id)
            session.flush()
            return _view(_load(session, client_row_id, issued.credential_id), now), issued

    def revoke(self, actor: Actor, client_row_id: str, secret_id: str) -> None:
        """Revoke a secret; revoking it again changes nothing.

        Raises NotFound, Forbidden, Conflict (the last secret of the last administrator).
        """
        now = self._clock()
        with self._store.transaction() as session, keep_administrators(session, actor, now):
            client = lock_changeable_client(session, actor, client_row_id, self._management)
            _revoke(session, actor, client, _load(session, client_row_id, secret_id), now)

    def revoke_all(self, session: Session, actor: Actor, secret_ids: Sequence[str], at: datetime) -> int:
        """Revoke secrets of any clients within the caller's transaction; return how many were not revoked before.

        Raises Forbidden, Conflict (the last secret of the last administrator).
        """
        with keep_administrators(session, actor, at):
            rows = [row for some in batches(secret_ids) for row in SECRETS.all(session, ClientSecret.id.in_(some))]
            clients = {
                row_id: lock_changeable_client(session, actor, row_id, self._management)
                for row_id in sorted({row.client_id for row in rows})
            }
            return sum(_revoke(session, actor, clients[row.client_id], row, at) for row in rows)

    def get(self, client_row_id: str, secret_id: str) -> ClientSecretView:
        """Return one secret, by its hint. Raises NotFound."""
        with self._store.reading() as session:
            return _view(_load(session, client_row_id, secret_id), self._clock())

    def page(
        self, client_row_id: str, limit: int, after: str | None = None, status: Status | None = None
    ) -> Page[ClientSecretView]:
        """List a client's secrets by their hints, oldest first. Raises NotFound."""
        now = self._clock()
        of_status = None if status is None else has_status(ClientSecret, status, now)
        with self._store.reading() as session:
            check_client(session, client_row_id)
            view = partial(_view, now=now)
            return SECRETS.page(session, limit, after, view, ClientSecret.client_id == client_row_id, of_status)


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


def _revoke(session: Session, actor: Actor, client: Client, row: ClientSecret, at: datetime) -> bool:
    """Revoke a secret; return whether it was not revoked before."""
    if row.revoked_at is not None:
        return False
    row.revoked_at, row.revoked_reason = at, "revoked by an operator"
    record(session, actor, f"{TARGET}.revoke", TARGET, row.id, at, client=client.client_id)
    return True


def _load(session: Session, client_row_id: str, secret_id: str) -> ClientSecret:
    return SECRETS.load(session, ClientSecret.id == secret_id, ClientSecret.client_id == client_row_id)


def _view(row: ClientSecret, now: datetime) -> ClientSecretView:
    return view_of(ClientSecretView, row, status=status_of(row, now))
