"""Trusted token issuers: the clients that a foreign token authenticates, by federated credentials (RFC 7523 §3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.actions.trust.fetch_jwks import FetchJwks, Keys
from app.actions.trust.registration import signing_keys
from app.actions.trust.subject_pattern import matches
from app.database.store import Store
from app.models import Client, FederatedCredential
from app.models.client import LONGEST_ID

LONGEST_ISSUER = 500  # characters


@dataclass(frozen=True, slots=True)
class FederatedCredentialView:
    """A federated credential as it is shown; it contains no secret."""

    id: str
    name: str
    issuer: str
    audience: str
    subject: str
    claims: dict[str, str]
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Trust:
    """A client, and a federated credential that authenticates it."""

    client_id: str  # the public one
    by: FederatedCredentialView

    @property
    def source(self) -> str:
        """Return where the issuer's keys come from: several trusts in one issuer usually share it."""
        by = self.by
        return by.jwks_uri or (json.dumps(by.jwks, sort_keys=True) if by.jwks is not None else "discovery")

    def covers(self, claims: Mapping[str, Any]) -> bool:
        """Return whether verified claims have this issuer, this audience and a matching subject."""
        audience, subject = claims.get("aud"), claims.get("sub")
        return (
            claims.get("iss") == self.by.issuer
            and self.by.audience in (audience if isinstance(audience, list) else [audience])
            and isinstance(subject, str)
            and matches(self.by.subject, subject)
            and all(claims.get(name) == value for name, value in self.by.claims.items())
        )


class TrustedIssuers:
    """Finds the clients that trust an issuer, and its keys; both are read again for every token."""

    def __init__(self, store: Store, fetch_jwks: FetchJwks, issuer: str) -> None:
        self._store = store
        self._fetch_jwks = fetch_jwks
        self._issuer = issuer

    def trusts(self, issuer: object, client_id: str | None) -> list[Trust]:
        """Return the trusts of enabled clients, or of one client, in the issuer of a token; never in our own."""
        if not _is_storable(issuer, LONGEST_ISSUER) or issuer == self._issuer:
            return []
        query = select(Client.client_id, FederatedCredential).join(
            FederatedCredential, FederatedCredential.client_id == Client.id
        )
        query = query.where(FederatedCredential.issuer == issuer, Client.enabled)
        if client_id is not None:
            if not _is_storable(client_id, LONGEST_ID):
                return []
            query = query.where(Client.client_id == client_id)
        with self._store.reading() as session:
            return [Trust(client, view_of(by)) for client, by in session.execute(query)]

    def keys(
        self, trust: Trust, kid: str | None, algorithm: object, may_fetch: Callable[[], bool]
    ) -> Iterator[dict[str, Any]]:
        """Return the issuer's keys that may have signed, without unsupported ones."""
        return signing_keys(self._jwks(trust, kid, may_fetch), kid, algorithm)

    def _jwks(self, trust: Trust, kid: str | None, may_fetch: Callable[[], bool]) -> Keys | None:
        by = trust.by
        if by.jwks is not None:
            return by.jwks
        uri = by.jwks_uri or self._fetch_jwks.discover(by.issuer, may_fetch)
        return None if uri is None else self._fetch_jwks(uri, kid, may_fetch)


def _is_storable(text: object, longest: int) -> bool:
    return isinstance(text, str) and 1 <= len(text) <= longest and text.isprintable()


def view_of(row: FederatedCredential) -> FederatedCredentialView:
    """Return the view of a row."""
    return FederatedCredentialView(
        id=row.id,
        name=row.name,
        issuer=row.issuer,
        audience=row.audience,
        subject=row.subject,
        claims=row.claims,
        jwks=row.jwks,
        jwks_uri=row.jwks_uri,
        created_at=row.created_at,
    )
