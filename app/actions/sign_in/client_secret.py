"""Client secrets: they can be looked up, reported and revoked, but not used to call an API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Connection, bindparam, join, select, update
from sqlalchemy.orm import Session

from app.access.listing import Granted, Listing, no_instant
from app.access.rbac import clients_reaching, clients_with, scopes_of_clients
from app.compat.sqlalchemy import CompiledSelect
from app.credentials.kind import Description, Identity, Labels, state_of
from app.credentials.m2m import MachineTokens
from app.crypto.opaque import Prefix, digest, prefix_of
from app.database.ordering import contains_text
from app.database.statements import batches
from app.models import Client, ClientSecret

_DESCRIBED = select(
    ClientSecret.id,
    ClientSecret.name,
    ClientSecret.hint,
    ClientSecret.created_at,
    ClientSecret.expires_at,
    ClientSecret.revoked_at,
    ClientSecret.revoked_reason,
    Client.id.label("client_row"),
    Client.client_id,
    Client.name.label("client_name"),
    Client.enabled,
).join(Client, Client.id == ClientSecret.client_id)
_BY_DIGEST = CompiledSelect(_DESCRIBED.where(ClientSecret.digest == bindparam("digest")))
_BY_ID = CompiledSelect(_DESCRIBED.where(ClientSecret.id == bindparam("id")))


class ClientSecrets:
    """The secrets of registered clients; see `SecretKind`."""

    name: ClassVar[str] = Prefix.CLIENT_SECRET.kind
    target: ClassVar[str] = name
    labels: ClassVar[Labels] = Labels("Client secret", "Client secrets")

    def recognizes(self, token: str) -> bool:
        """Check prefix, length, alphabet and check characters."""
        return prefix_of(token) is Prefix.CLIENT_SECRET

    def identify(self, connection: Connection | Session, tokens: Sequence[str], at: datetime) -> set[Identity]:
        """Return the secrets with these digests."""
        found: set[Identity] = set()
        for batch in batches([digest(token) for token in tokens]):
            query = select(ClientSecret.id).where(ClientSecret.digest.in_(batch))
            found |= {Identity(row_id) for row_id in connection.execute(query).scalars()}
        return found

    def describe(self, session: Session, token: str, at: datetime) -> Description | None:
        """Return the secret, and its client."""
        return _describe_row(_BY_DIGEST.rows(session.connection(), digest=digest(token)), at)

    def find(self, session: Session, credential_id: str, at: datetime) -> Description | None:
        """Return the secret with this id, and its client."""
        return _describe_row(_BY_ID.rows(session.connection(), id=credential_id), at)

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """End the secret; the client's other secrets do not change."""
        ended = session.execute(
            update(ClientSecret)
            .where(ClientSecret.id == credential_id, ClientSecret.revoked_at.is_(None))
            .values(revoked_at=at, revoked_reason=reason)
            .returning(ClientSecret.id)
        )
        return ended.first() is not None

    def listing(self, at: datetime) -> Listing:
        """List the secrets with their clients, and with the scopes of the clients' roles."""
        row = ClientSecret
        return Listing(
            one=self.labels.one,
            rows=join(row, Client, Client.id == row.client_id),
            id=row.id,
            name=row.name,
            hint=row.hint,
            created_at=row.created_at,
            enabled=Client.enabled,
            matches=lambda text: contains_text(text, row.name, row.hint, Client.name, Client.client_id),
            carries=lambda permission: row.client_id.in_(clients_with(permission)),
            reaches=lambda resource: row.client_id.in_(clients_reaching(resource)),
            grants=_scopes_of_secrets,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            revoked_reason=row.revoked_reason,
            last_used_at=no_instant(),
            use_known=False,
            owner_type="client",
            owner_row_id=row.client_id,
            owner_id=Client.client_id,
            owner_name=Client.name,
        )


def _scopes_of_secrets(session: Session, secret_ids: Sequence[str]) -> Iterable[Granted]:
    query = select(ClientSecret.id, ClientSecret.client_id).where(ClientSecret.id.in_(secret_ids))
    owners = [(row[0], row[1]) for row in session.execute(query)]
    given: dict[str, list[tuple[str, str]]] = {}
    for client, identifier, name in scopes_of_clients(session, list({client for _, client in owners})):
        given.setdefault(client, []).append((identifier, name))
    return ((secret, *pair) for secret, client in owners for pair in given.get(client, []))


def _describe_row(rows: Sequence[Any], at: datetime) -> Description | None:
    if not rows:
        return None
    row = rows[0]
    status, reason = state_of(row.revoked_at, row.revoked_reason, row.expires_at, at, enabled=row.enabled)
    return Description(
        status,
        reason,
        credential_type=ClientSecrets.name,
        id=row.id,
        name=row.name,
        hint=row.hint,
        owner_type="client",
        owner_id=row.client_id,
        owner_name=row.client_name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        target=ClientSecrets.target,
        owner_row_id=row.client_row,
        superseded_at=row.revoked_at if row.enabled else None,
        counted=(MachineTokens.counted_as, row.client_row),
        client_id=row.client_id,
    )
