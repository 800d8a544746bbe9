"""The protocol that every kind of credential implements, and the values that its methods take and return."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from app.access.holders import HolderPage
from app.access.listing import Listing
from app.access.scopes import Grants, Scopes
from app.credentials.reasons import Reason
from app.crypto.access_token import kind_of
from app.crypto.confirmation import UNBOUND, Confirmation
from app.crypto.revoked_jwts import revocation_of
from app.crypto.signing import Signed
from app.crypto.status_list import StatusReference
from app.database.types import Base
from app.models import Permission
from app.settings.addresses import Address as Address
from app.settings.addresses import Network as Network

MOST_REQUESTS = 1_000_000_000  # in a window
LONGEST_WINDOW = 86_400  # seconds
ENDING_SOON = timedelta(days=7)
LONG_UNUSED = timedelta(days=90)
JWT_TARGET = "token"  # what the audit trail calls a JWT of any kind
Counted = tuple[str, str]  # whose uses are counted: personal_access_token, api_key, client or grant, and its row
JTI = re.compile(r"[a-z0-9]+_(?:[0-9a-f]{31}|[0-9a-f]{33})")  # the shorter ones are from before status lists


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many uses in how many seconds."""

    requests: Annotated[int, Field(ge=1, le=MOST_REQUESTS)]
    window_seconds: Annotated[int, Field(ge=1, le=LONGEST_WINDOW)]


@dataclass(frozen=True, slots=True)
class Secret:
    """The secret that a token was exchanged from, and its credential: the token is active only while they are."""

    credential_id: str
    version: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What an active credential may do now, as verification of every kind returns it.

    `grants` are already narrowed to the scopes that the owner's roles give; `audience` may be wider, never narrower.
    """

    kind: str
    credential_id: str
    audience: tuple[str, ...]
    grants: Grants
    issued_at: datetime
    expires_at: datetime | None
    subject: str | None = None  # a user's id or a client's public id; an API key has none
    username: str | None = None
    client_id: str | None = None
    secret: Secret | None = None
    secret_ends_at: datetime | None = None
    exchanged: bool = False
    personal: bool = False  # a user's own token: it may read what is theirs
    actor: str | None = None
    rate_limit: RateLimit | None = None
    allowed_networks: tuple[Network, ...] = ()
    valid_until: datetime | None = None  # it expires then at the latest, or its source does; None: never
    confirmation: Confirmation = UNBOUND
    counted: Counted | None = None

    @property
    def scopes(self) -> Scopes:
        """All the scopes it carries now."""
        return self.grants.scopes

    @property
    def anonymous(self) -> bool:
        """Whether it has no owner, like an API key."""
        return self.subject is None

    @property
    def delegated(self) -> bool:
        """Whether a user delegated it."""
        return self.username is not None

    @property
    def through_app(self) -> bool:
        """Whether a client uses it for a user who consented."""
        return self.username is not None and self.client_id is not None

    @property
    def owner(self) -> dict[str, str]:
        """The members of an introspection answer that name the owner, as the kind filled them in (RFC 7662 §2.2)."""
        named = {"sub": self.subject, "username": self.username, "client_id": self.client_id}
        return {name: value for name, value in named.items() if value is not None}

    def cut_to(self, resources: frozenset[str]) -> Claims | None:
        """Return the claims on these resources only; None without any (RFC 7662 §2.2: a server sees only its own)."""
        audience = tuple(identifier for identifier in self.audience if identifier in resources)
        return replace(self, audience=audience, grants=self.grants.on(audience)) if audience else None

    def allows_address(self, address: Address | None) -> bool:
        """Return whether the networks of an API key admit this address; no networks admit all."""
        if not self.allowed_networks:
            return True
        return address is not None and any(
            address.version == network.version and address in network for network in self.allowed_networks
        )


Verdict = Claims | Reason | None  # of a verification; None: not active, and `describe` knows why


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a new credential is for: a user's row id, a client's public id, or the resource that an API key opens.

    An exchanged token has a `source` instead, and an `actor` when a client exchanged it (RFC 8693 §4.1). A delegated
    token has the user, the `client_id` of the app and the grant.
    """

    id: str = ""
    source: Claims | None = None
    actor: str | None = None
    client_id: str = ""
    grant_id: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is granted to a new credential, and until when."""

    at: datetime
    expires_at: datetime | None
    audience: tuple[str, ...] = ()
    grants: Grants = field(default_factory=Grants)
    name: str = ""
    description: str = ""
    narrowed: bool = False  # API key: a chosen subset, not all that is public
    enabled: bool = True
    rate_limit: RateLimit | None = None
    allowed_ips: tuple[str, ...] = ()
    confirmation: Confirmation = UNBOUND
    status: StatusReference | None = None  # of a JWT


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential. `token` is the only place the secret is ever in clear: it has no repr."""

    credential_id: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which credential a token is, and the only client that may revoke it; None: possession is the right."""

    credential_id: str
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a credential, active or not; `reason` says why it is not active.

    `target` is the kind as the audit trail names it. `owner_row_id` is the row of a user or a client. `superseded_at`
    is when this secret ended although its owner or its credential goes on: nobody should have it any more. `client_id`
    is the client that uses it, also for a user.
    """

    status: str  # active, expired, revoked, disabled, superseded, unknown or malformed
    reason: str | None = None
    credential_type: str | None = None
    id: str | None = None
    name: str | None = None
    hint: str | None = None
    owner_type: str | None = None
    owner_id: str | None = None
    owner_name: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    exchanged: bool = False
    target: str | None = None
    owner_row_id: str | None = None
    last_used_at: datetime | None = None
    superseded_at: datetime | None = None
    counted: Counted | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class LiveCount:
    """How many credentials are live, expire within a week, and were not used for 90 days (None: not known)."""

    live: int
    ending: int
    unused: int | None


@dataclass(frozen=True, slots=True)
class Labels:
    """A kind's names on pages: of one credential, of the list, and of the section that shows its holders, if any."""

    one: str
    many: str
    section: str | None = None


class SecretKind(Protocol):
    """What can be looked up, reported as leaked and revoked.

    Every kind of credential, and client secrets, which authenticate a client but cannot be used to call an API.
    """

    name: ClassVar[str]  # the wire's credential_type
    target: ClassVar[str]  # what the audit trail calls one
    labels: ClassVar[Labels]

    def recognizes(self, token: str) -> bool:
        """Return whether a token has the shape of this kind, without I/O."""

    def identify(self, connection: Connection | Session, tokens: Sequence[str], at: datetime) -> set[Identity]:
        """Return which credentials these tokens are, active or not, in a bounded number of statements."""

    def describe(self, session: Session, token: str, at: datetime) -> Description | None:
        """Return what is known of a token, active or not; None for one that was never issued."""

    def find(self, session: Session, credential_id: str, at: datetime) -> Description | None:
        """Return what is known of a credential by its id; None when there is none."""

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """Revoke it within the caller's transaction; return whether it was not revoked before."""

    def listing(self, at: datetime) -> Listing | None:
        """Return how the list of all credentials reads this kind; None for a kind that it does not have."""


class CredentialKind(SecretKind, Protocol):
    """One kind of credential, from issue to revocation: actions and pages use this protocol and name no kind."""

    exchangeable: ClassVar[bool]  # for a JWT (RFC 8693)
    counted_as: ClassVar[str]  # the first part of `Counted`; empty for a kind that is not counted by itself
    used_rows: ClassVar[type[Base] | None]  # the table that stores the last use; None if none does

    def issue(self, session: Session, subject: Subject, terms: Terms) -> Issued:
        """Create one within the caller's transaction; only the result contains the secret in clear."""

    def verify(self, connection: Connection, token: str, at: datetime) -> Verdict:
        """Return what the token may do now, in one query; else None, or the reason if `describe` would add nothing."""

    def verify_secret(self, connection: Connection, secret: Secret, at: datetime) -> Claims | None:
        """Like `verify`, for the secret that an exchanged token was made from."""

    def holders(
        self, session: Session, permission: Permission, at: datetime, limit: int, after: str | None
    ) -> HolderPage:
        """Return a page of what carries a permission through this kind, and the cursor of the next page."""

    def live_count(self, session: Session, at: datetime) -> LiveCount | None:
        """Return how many are live; None for a kind that is not counted by itself."""


class SignedKind(CredentialKind, Protocol):
    """A kind whose tokens are JWTs: many are issued alike, and each says all that it is judged by."""

    prefix: ClassVar[str]  # of a jti

    def shared_claims(self, subject: Subject, terms: Terms) -> dict[str, Any]:
        """Return the claims that all tokens of these terms share; `claims_of_terms` are not among them."""

    def judge(self, connection: Connection, signed: Signed, at: datetime) -> Claims | None:
        """Return what a token may do now whose signature was verified; None if it is not active."""


def state_of(
    revoked_at: datetime | None, reason: str | None, expires_at: datetime | None, at: datetime, *, enabled: bool
) -> tuple[str, str | None]:
    """Return the status of a row, and why it is not active."""
    if revoked_at is not None:
        return "revoked", reason or "revoked"
    if expires_at is not None and expires_at <= at:
        return "expired", "expired"
    return ("active", None) if enabled else ("disabled", "it, or its owner, is disabled")


def describe_jwt(
    session: Session, token: str, signed: Signed | None, active: Claims | None, client_id: str | None, at: datetime
) -> Description:
    """Return what is known of a JWT; `active` are the claims that it has now, if any."""
    if signed is None:
        return Description("unknown", "not signed by this server", kind_of(token))
    revoked_at = revocation_of(session, signed.claims["jti"])
    status, reason = _state_of_jwt(signed, revoked_at, at, active=active is not None)
    return Description(
        status,
        reason,
        credential_type=signed.claims["credential_type"],
        id=signed.claims["jti"],
        owner_type="client" if client_id else None,
        owner_id=client_id,
        client_id=client_id,
        created_at=active.issued_at if active else None,
        expires_at=active.expires_at if active else None,
        revoked_at=revoked_at,
        target=JWT_TARGET,
    )


def find_jwt(session: Session, jti: str, prefix: str) -> Description | None:
    """Return what is known of a JWT by its jti: only whether it was revoked, because JWTs are not stored."""
    if JTI.fullmatch(jti) is None or not jti.startswith(f"{prefix}_"):
        return None
    revoked_at = revocation_of(session, jti)
    return Description("revoked" if revoked_at else "unknown", id=jti, revoked_at=revoked_at, target=JWT_TARGET)


def _state_of_jwt(signed: Signed, revoked_at: datetime | None, at: datetime, *, active: bool) -> tuple[str, str | None]:
    if active:
        return "active", None
    if revoked_at is not None:
        return "revoked", "revoked"
    if signed.ends_at <= at:
        return "expired", "expired"
    return "disabled", "its owner or source is disabled, revoked or gone"


def write_claims(shared: Mapping[str, Any], jti: str, terms: Terms) -> dict[str, Any]:
    """Return the claims to be signed. Times are whole seconds, `iat` never ahead of the clock."""
    assert terms.expires_at is not None  # noqa: S101 - a JWT always ends
    times = {"iat": int(terms.at.timestamp()), "exp": int(terms.expires_at.timestamp())}
    return {**shared, **claims_of_terms(terms), **times, "jti": jti}


def lasting_claims(issuer: str, kind: str, subject: Subject, client_id: str, terms: Terms) -> dict[str, Any]:
    """Return the claims that all tokens of the same decision share, whatever they are bound to."""
    return {
        "iss": issuer,
        "sub": subject.id,
        "aud": terms.audience[0] if len(terms.audience) == 1 else list(terms.audience),
        "client_id": client_id,
        "scope": str(terms.grants.scopes),
        "credential_type": kind,
    }


def claims_of_terms(terms: Terms) -> dict[str, Any]:
    """Return what a token is bound to, and where its status is published."""
    cnf, status = terms.confirmation.members(), terms.status
    return ({"cnf": cnf} if cnf else {}) | ({"status": status.claim()} if status else {})
