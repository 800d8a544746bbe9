"""Apps that register themselves (RFC 7591), and change or delete their registration (RFC 7592)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.app_metadata import AppMetadata
from app.actions.directory.app_rows import changed_members, delete_unused, metadata_of, write_metadata
from app.actions.directory.client_rows import CLIENTS
from app.actions.directory.client_secrets import mint_secret
from app.actions.directory.escalation import refuse_delegates
from app.actions.limits.abuse import NEW_APPS, REGISTRATION_CHANGES, REGISTRATIONS_OF_ADDRESS, AbuseLimits
from app.clock import Clock
from app.crypto.opaque import Prefix, digest, mint, prefix_of
from app.database.store import Store
from app.database.types import new_id
from app.errors import NotFound
from app.models import Client, ClientSecret
from app.models.auth_methods import SECRET_METHODS
from app.models.client import BY_ITSELF, LONGEST_ID

TARGET = "client"
NO_DIGEST = "0" * 64  # of no registration access token
CHANGED = "the app chose a method without a secret"


@dataclass(frozen=True, slots=True)
class RegisteredApp:
    """An app as it registered; its secret and its registration access token are there once, when they are new."""

    client_id: str
    issued_at: datetime
    enabled: bool
    metadata: AppMetadata
    client_secret: str | None = field(default=None, repr=False)
    registration_token: str | None = field(default=None, repr=False)


class RegisteredApps:
    """Register apps; read, change and delete them by their registration access token."""

    def __init__(self, store: Store, limits: AbuseLimits, clock: Clock, *, is_open: bool) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock
        self._is_open = is_open

    def admit(self, actor: Actor) -> None:
        """Count a registration by anybody; raise TooManyRequests beyond the limit of the address."""
        self._limits.refuse_beyond(REGISTRATIONS_OF_ADDRESS.at(actor.address))

    def register(self, actor: Actor, metadata: AppMetadata) -> RegisteredApp:
        """Register an app, with no role and no resource. Raises Forbidden, TooManyRequests, Invalid."""
        refuse_delegates(actor)
        if self._is_open:
            self._limits.refuse_beyond(NEW_APPS.of())
        now, client_id, token = self._clock(), new_id(TARGET), mint(Prefix.REGISTRATION)
        with self._store.transaction() as session:
            if self._is_open:
                delete_unused(session, BY_ITSELF, now)
            row = Client(id=client_id, client_id=client_id, registered_by=BY_ITSELF, enabled=True, created_at=now)
            write_metadata(session, row, metadata)
            row.registration_digest = digest(token)
            secret = _secret_for(row, now)
            session.add(row)
            record(session, actor, f"{TARGET}.register", TARGET, client_id, now, name=row.name)
            session.flush()
            return _view(row, secret, token)

    def find(self, client_id: str, token: str) -> RegisteredApp | None:
        """Return the app whose registration access token this is; None for any other."""
        with self._store.reading() as session:
            row = _load(session, client_id, token)
            return None if row is None else _view(row)

    def change(self, actor: Actor, client_id: str, token: str, metadata: AppMetadata) -> RegisteredApp:
        """Replace the metadata and the registration access token (RFC 7592 §2.2).

        Raises NotFound, Invalid, and TooManyRequests: each change leaves an event, and may leave a secret.
        """
        if self.find(client_id, token) is None:
            raise NotFound("there is no such app")
        self._limits.refuse_beyond(REGISTRATION_CHANGES.of(client_id))
        now, replacement = self._clock(), mint(Prefix.REGISTRATION)
        with self._store.transaction() as session:
            row = _lock(session, client_id, token)
            before = metadata_of(row)
            write_metadata(session, row, metadata)
            row.registration_digest = digest(replacement)
            secret = _replace_secret(session, row, before.method, now)
            record(session, actor, f"{TARGET}.update", TARGET, client_id, now, changed=changed_members(before, row))
            session.flush()
            return _view(row, secret, replacement)

    def delete(self, actor: Actor, client_id: str, token: str) -> None:
        """Delete the app: its tokens and what users agreed to end at once. Raises NotFound."""
        with self._store.transaction() as session:
            row = _lock(session, client_id, token)
            session.execute(delete(Client).where(Client.id == row.id))
            record(session, actor, f"{TARGET}.delete", TARGET, client_id, self._clock(), name=row.name)


def _load(session: Session, client_id: str, token: str, *, lock: bool = False) -> Client | None:
    """Return the row of an app if the token is its own, compared in constant time."""
    is_sane = len(client_id) <= LONGEST_ID and client_id.isprintable()
    if not is_sane or prefix_of(token) is not Prefix.REGISTRATION:
        return None
    try:
        row = CLIENTS.load(session, Client.client_id == client_id, Client.registered_by == BY_ITSELF, lock=lock)
    except NotFound:
        return None
    return row if hmac.compare_digest(digest(token), row.registration_digest or NO_DIGEST) else None


def _lock(session: Session, client_id: str, token: str) -> Client:
    """Return the locked row; of two changes at once by one token, the second finds it replaced."""
    row = _load(session, client_id, token, lock=True)
    if row is None or not row.enabled:
        raise NotFound("there is no such app")
    return row


def _secret_for(row: Client, at: datetime) -> str | None:
    return mint_secret(row, "", at).token if row.token_endpoint_auth_method in SECRET_METHODS else None


def _replace_secret(session: Session, row: Client, before: str, at: datetime) -> str | None:
    """Issue a secret to an app that needs one from now on; revoke the secrets of an app that no longer does."""
    needs, needed = row.token_endpoint_auth_method in SECRET_METHODS, before in SECRET_METHODS
    if needed and not needs:
        live = ClientSecret.client_id == row.id, ClientSecret.revoked_at.is_(None)
        session.execute(update(ClientSecret).where(*live).values(revoked_at=at, revoked_reason=CHANGED))
    return _secret_for(row, at) if needs and not needed else None


def _view(row: Client, secret: str | None = None, token: str | None = None) -> RegisteredApp:
    return RegisteredApp(row.client_id, row.created_at, row.enabled, metadata_of(row), secret, token)
