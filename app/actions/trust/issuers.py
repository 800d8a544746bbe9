"""Whom a foreign token may speak for: the clients that trust its issuer, each on terms of its own (RFC 7523 §3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.actions.trust.fetch_jwks import FetchJwks, Keys
from app.actions.trust.registration import signing_keys
from app.actions.trust.subject_pattern import fits
from app.database.store import Store
from app.models import Client, FederatedCredential
from app.models.client import LONGEST_ID

LONGEST_ISSUER = 500  # characters


@dataclass(frozen=True, slots=True)
class FederatedCredentialView:
    """A federated credential as it is shown: nothing of it is secret."""

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
    """A client and one kind of token that it is recognised by."""

    client_id: str  # the public one
    by: FederatedCredentialView

    @property
    def source(self) -> str:
        """Name where the keys are from: two trusts in one issuer mostly share it."""
        by = self.by
        return by.jwks_uri or (json.dumps(by.jwks, sort_keys=True) if by.jwks is not None else "discovery")

    def covers(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether verified claims are of this issuer, for this audience, by a subject that is meant."""
        audience, subject = claims.get("aud"), claims.get("sub")
        return (
            claims.get("iss") == self.by.issuer
            and self.by.audience in (audience if isinstance(audience, list) else [audience])
            and isinstance(subject, str)
            and fits(self.by.subject, subject)
            and all(claims.get(name) == value for name, value in self.by.claims.items())
        )


class TrustedIssuers:
    """Finds who trusts an issuer, and the issuer's keys; asked anew for every token, so that nothing outlives it."""

    def __init__(self, store: Store, fetch_jwks: FetchJwks, issuer: str) -> None:
        self._store = store
        self._fetch_jwks = fetch_jwks
        self._issuer = issuer

    def trusts(self, issuer: object, client_id: str | None) -> list[Trust]:
        """Give what enabled clients, or the one named, trust of an issuer that a token names; never of ourselves."""
        if not _can_be_kept(issuer, LONGEST_ISSUER) or issuer == self._issuer:
            return []
        query = select(Client.client_id, FederatedCredential).join(
            FederatedCredential, FederatedCredential.client_id == Client.id
        )
        query = query.where(FederatedCredential.issuer == issuer, Client.enabled)
        if client_id is not None:
            if not _can_be_kept(client_id, LONGEST_ID):
                return []
            query = query.where(Client.client_id == client_id)
        with self._store.reading() as session:
            return [Trust(known, view_of(by)) for known, by in session.execute(query)]

    def keys(
        self, trust: Trust, kid: str | None, algorithm: object, may_fetch: Callable[[], bool]
    ) -> Iterator[dict[str, Any]]:
        """Give the keys that may have signed; what we would not register is left out."""
        return signing_keys(self._set_of(trust, kid, may_fetch), kid, algorithm)

    def _set_of(self, trust: Trust, kid: str | None, may_fetch: Callable[[], bool]) -> Keys | None:
        by = trust.by
        if by.jwks is not None:
            return by.jwks
        uri = by.jwks_uri or self._fetch_jwks.discovered(by.issuer, may_fetch)
        return None if uri is None else self._fetch_jwks(uri, kid, may_fetch)


def _can_be_kept(text: object, longest: int) -> bool:
    return isinstance(text, str) and 1 <= len(text) <= longest and text.isprintable()


def view_of(row: FederatedCredential) -> FederatedCredentialView:
    """Show a row."""
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
