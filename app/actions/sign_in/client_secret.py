"""Client secrets: they can be looked up, reported and revoked, but not used to call an API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from sqlalchemy import ColumnElement, Connection, select, update
from sqlalchemy.orm import Session

from app.credentials.kind import Description, Identity, Labels, state_of
from app.crypto.opaque import Prefix, digest, prefix_of
from app.database.statements import batches
from app.models import Client, ClientSecret


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
        return _describe_row(session, ClientSecret.digest == digest(token), at)

    def find(self, session: Session, credential_id: str, at: datetime) -> Description | None:
        """Return the secret with this id, and its client."""
        return _describe_row(session, ClientSecret.id == credential_id, at)

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """End the secret; the client's other secrets do not change."""
        ended = session.execute(
            update(ClientSecret)
            .where(ClientSecret.id == credential_id, ClientSecret.revoked_at.is_(None))
            .values(revoked_at=at, revoked_reason=reason)
            .returning(ClientSecret.id)
        )
        return ended.first() is not None


def _describe_row(session: Session, condition: ColumnElement[bool], at: datetime) -> Description | None:
    found = session.execute(select(ClientSecret, Client).join(Client).where(condition)).one_or_none()
    if found is None:
        return None
    row, client = found
    status, reason = state_of(row.revoked_at, row.revoked_reason, row.expires_at, at, enabled=client.enabled)
    return Description(
        status,
        reason,
        credential_type=ClientSecrets.name,
        id=row.id,
        name=row.name,
        hint=row.hint,
        owner_type="client",
        owner_id=client.client_id,
        owner_name=client.name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        target=ClientSecrets.target,
        owner_row_id=client.id,
    )
