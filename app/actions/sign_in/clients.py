"""Authenticate clients: every failure looks alike, also for a client that does not exist."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.x509 import Certificate
from sqlalchemy import bindparam, exists, or_, select

from app.actions.audit.actor import Actor
from app.actions.limits.abuse import CLIENT, CLIENTS_OF_ADDRESS, WAIT, AbuseLimits, Counter, neighbourhood
from app.actions.sign_in.failed_authentications import FailedAuthentications
from app.clock import Clock, earliest
from app.compat.sqlalchemy import CompiledSelect
from app.crypto.certificate import has_subject, is_among
from app.crypto.opaque import digest
from app.crypto.pseudonym import Pseudonyms
from app.database.statements import delete_expired, insert_once
from app.database.store import Store
from app.errors import TooManyRequests
from app.models import Client, ClientSecret, ClientServes, Resource, UsedAssertion
from app.models.auth_methods import CLIENT_SECRET_BASIC, NONE, SECRET_METHODS, SELF_SIGNED_METHOD, TLS_METHOD
from app.models.client import BY_OPERATOR, LONGEST_ID

NO_DIGEST = "0" * 64  # the digest of no secret

_FIND = CompiledSelect(
    select(
        Client.id,
        Client.client_id,
        Client.enabled,
        Client.token_endpoint_auth_method,
        Client.jwks,
        Client.jwks_uri,
        Client.dpop_bound_access_tokens,
        Client.tls_client_certificate_bound_access_tokens,
        Client.tls_client_subject,
        Client.name,
        Client.grant_types,
        Client.redirect_uris,
        Client.scopes,
        Client.client_uri,
        Client.logo_uri,
        Client.policy_uri,
        Client.registered_by,
        Client.document_until,
        ClientSecret.digest,
        ClientSecret.expires_at,
    )
    .outerjoin(
        ClientSecret,
        (ClientSecret.client_id == Client.id)
        & ClientSecret.revoked_at.is_(None)
        & or_(ClientSecret.expires_at.is_(None), ClientSecret.expires_at > bindparam("now")),
    )
    .where(Client.client_id == bindparam("client_id"))
)
_SERVED = CompiledSelect(
    select(Resource.identifier)
    .join(ClientServes, ClientServes.resource_id == Resource.id)
    .where(ClientServes.client_id == bindparam("row_id"))
)


@dataclass(frozen=True, slots=True)
class KnownClient:
    """A client as authentication needs it; the null client does not exist, and its secret never matches."""

    row_id: str
    client_id: str
    method: str
    digests: tuple[str, ...] = field(default=(NO_DIGEST,), repr=False)
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    valid_until: datetime | None = None  # when the first of its secrets, or its document, expires; None: none does
    dpop_bound: bool = False  # every token request needs a DPoP proof (RFC 9449 §5.2)
    certificate_bound: bool = False  # every token is bound to its certificate (RFC 8705 §3.4)
    subject: Mapping[str, str] | None = None  # that its certificate must have (RFC 8705 §2.1.2)
    name: str = ""
    grant_types: frozenset[str] = frozenset()
    redirect_uris: tuple[str, ...] = ()
    scopes: frozenset[str] | None = None  # that users may consent to; None: no ceiling
    client_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    registered_by: str = BY_OPERATOR

    @property
    def sender_constrained(self) -> bool:
        """Whether its tokens are always bound to a key or a certificate."""
        return self.dpop_bound or self.certificate_bound

    @property
    def public(self) -> bool:
        """Whether it names itself and proves nothing (RFC 6749 §2.1)."""
        return self.method == NONE

    @property
    def exists(self) -> bool:
        """Whether this is a registered, enabled client and not the null client."""
        return bool(self.row_id)


NULL_CLIENT = KnownClient("", "", CLIENT_SECRET_BASIC)


class AuthenticateClient:
    """Looks clients up and checks what they present, independent of the parameter that it came in."""

    def __init__(
        self,
        store: Store,
        limits: AbuseLimits,
        failures: FailedAuthentications,
        unknown: Pseudonyms,
        clock: Clock,
    ) -> None:
        self._store = store
        self._limits = limits
        self.failures = failures
        self._unknown = unknown
        self._clock = clock

    def find(self, client_id: str) -> KnownClient:
        """Return the enabled client of this public id with its live secrets, else the null client. One query.

        A client whose metadata document has to be fetched again is not known until that was done.
        """
        if not _can_be_id(client_id):
            return NULL_CLIENT
        now = self._clock()
        with self._store.connection() as connection:
            rows = _FIND.rows(connection, client_id=client_id, now=now)
        if not rows or not rows[0].enabled or _is_outdated(rows[0].document_until, now):
            return NULL_CLIENT
        row = rows[0]
        digests = tuple(r.digest for r in rows if r.digest is not None) or (NO_DIGEST,)
        valid_until = earliest(row.document_until, *(r.expires_at for r in rows))
        method = row.token_endpoint_auth_method
        return KnownClient(
            row.id,
            row.client_id,
            method,
            digests,
            row.jwks,
            row.jwks_uri,
            valid_until,
            dpop_bound=row.dpop_bound_access_tokens,
            certificate_bound=row.tls_client_certificate_bound_access_tokens,
            subject=row.tls_client_subject,
            name=row.name,
            grant_types=frozenset(row.grant_types),
            redirect_uris=tuple(row.redirect_uris),
            scopes=None if row.scopes is None else frozenset(row.scopes),
            client_uri=row.client_uri,
            logo_uri=row.logo_uri,
            policy_uri=row.policy_uri,
            registered_by=row.registered_by,
        )

    def secret_matches(self, client: KnownClient, secret: str) -> bool:
        """Return whether this is one of the live secrets, in constant time."""
        presented = digest(secret)
        matches = [hmac.compare_digest(presented, kept) for kept in client.digests]
        return any(matches) and client.exists and client.method in SECRET_METHODS

    def certificate_matches(self, client: KnownClient, certificate: Certificate, jwks: Mapping[str, Any]) -> bool:
        """Return whether the certificate is the client's, by its method; `jwks` are the keys it registered, if any."""
        by_subject = client.method == TLS_METHOD and has_subject(certificate, client.subject or {})
        by_key = client.method == SELF_SIGNED_METHOD and is_among(certificate, jwks)
        return client.exists and (by_subject or by_key)

    def serves(self, client: KnownClient) -> frozenset[str]:
        """Return the identifiers of the resources that this client serves."""
        with self._store.connection() as connection:
            return frozenset(row.identifier for row in _SERVED.rows(connection, row_id=client.row_id))

    def use_assertion(self, client_id: str, jti: str, expires_at: datetime) -> bool:
        """Mark an assertion as used; return False when it was used before (RFC 7523 §3). The insert decides any race.

        Also delete this client's expired assertions.
        """
        expired = (UsedAssertion.client_id == client_id, UsedAssertion.expires_at <= self._clock())
        with self._store.transaction() as session:
            delete_expired(session, UsedAssertion, *expired)
            return insert_once(
                session, UsedAssertion, client_id=client_id, jti_digest=digest(jti), expires_at=expires_at
            )

    def record_failure(self, actor: Actor, client_id: str) -> str | None:
        """Count a failed authentication and record its audit event; above a limit, raise TooManyRequests instead.

        Return the client_id if there is such a client.
        """
        counted = self._limits.count(*_counters(actor.address, client_id))
        if counted.wait:
            raise TooManyRequests(WAIT, counted.wait)
        known = client_id if self._is_known(client_id) else None
        mark = known or self._unknown.pseudonym_of(client_id, neighbourhood(actor.address))  # it may be a secret
        self.failures.record(actor, counted.traces, "client", mark)
        return known

    def _is_known(self, client_id: str) -> bool:
        """Return whether there is a client of this id, enabled or not."""
        if not _can_be_id(client_id):
            return False
        with self._store.connection() as connection:
            return bool(connection.execute(select(exists().where(Client.client_id == client_id))).scalar())

    def is_limited(self, address: str | None, client_id: str) -> bool:
        """Return whether a further failure of this client at this address would exceed a limit."""
        return self._limits.wait(*_counters(address, client_id)) > 0


def _can_be_id(client_id: str) -> bool:
    return len(client_id) <= LONGEST_ID and client_id.isprintable()  # PostgreSQL refuses a NUL character


def _is_outdated(document_until: datetime | None, now: datetime) -> bool:
    return document_until is not None and document_until <= now


def _counters(address: str | None, client_id: str) -> tuple[Counter, Counter]:
    """Return the counters of a failure; the address first, so that invented client ids do not fill the table."""
    return CLIENTS_OF_ADDRESS.at(address), CLIENT.at(address, client_id)
