"""What every kind of credential is to the rest of the house: one protocol and the values that cross it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from app.access.scopes import Grants, Scopes
from app.crypto.confirmation import UNBOUND, Confirmation
from app.settings.addresses import Address as Address
from app.settings.addresses import Network as Network

PERSONAL_ACCESS_TOKEN = "personal_access_token"  # noqa: S105 - names of kinds
API_KEY = "api_key"
CLIENT_CREDENTIALS = "client_credentials"
MOST_REQUESTS = 1_000_000_000  # in a window
LONGEST_WINDOW = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many uses in how many seconds."""

    requests: Annotated[int, Field(ge=1, le=MOST_REQUESTS)]
    window_seconds: Annotated[int, Field(ge=1, le=LONGEST_WINDOW)]


@dataclass(frozen=True, slots=True)
class Secret:
    """Which secret of which credential a token was made from: an exchanged token dies with it."""

    credential_id: str
    version: str


@dataclass(frozen=True, slots=True)
class Claims:
    """An active credential as it stands now: the one answer of every kind.

    `grants` are already narrowed to what the owner's roles give; `audience` may be wider, never narrower.
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
    actor: str | None = None
    rate_limit: RateLimit | None = None
    allowed_networks: tuple[Network, ...] = ()
    stands_until: datetime | None = None  # when time alone ends it, or what it was made from; None: never
    confirmation: Confirmation = UNBOUND

    @property
    def scopes(self) -> Scopes:
        """All the scopes it carries now."""
        return self.grants.scopes

    def cut_to(self, resources: frozenset[str]) -> Claims | None:
        """Keep what concerns these resources; None when that is nothing (RFC 7662 §2.2: a server sees only its own)."""
        audience = tuple(identifier for identifier in self.audience if identifier in resources)
        return replace(self, audience=audience, grants=self.grants.on(audience)) if audience else None

    def allows_address(self, address: Address | None) -> bool:
        """Tell whether the networks of an API key admit this address; no networks admit all."""
        if not self.allowed_networks:
            return True
        return address is not None and any(
            address.version == network.version and address in network for network in self.allowed_networks
        )


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a credential stands for: a user's row id, a client's public id, or nobody."""

    id: str = ""
    name: str = ""


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


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential. `token` is the only place the secret is ever in clear: it has no repr."""

    credential_id: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Holder:
    """A JWT by its jti, and the client it was issued to; None when possession alone proves the right."""

    credential_id: str
    client_id: str | None


class CredentialKind(Protocol):
    """One kind of credential: how it is recognized, issued, verified and revoked."""

    name: ClassVar[str]

    def recognizes(self, token: str) -> bool:
        """Tell by shape alone, without I/O, whether a token is of this kind."""

    def issue(self, session: Session, subject: Subject, terms: Terms) -> Issued:
        """Make one, within the caller's transaction: the only moment the secret is in clear."""

    def verify(self, connection: Connection, token: str, at: datetime) -> Claims | None:
        """Give what it may do at this instant, in one query; None means not active, for whatever reason."""

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """End it for good, within the caller's transaction. Idempotent; tells whether it was live until now."""


class ExchangeableKind(CredentialKind, Protocol):
    """A kind whose tokens can be exchanged for a JWT, which is then checked against what it was made from."""

    def verify_secret(self, connection: Connection, secret: Secret, at: datetime) -> Claims | None:
        """Like `verify`, for the secret that an exchanged token was made from."""


def write_claims(issuer: str, kind: str, jti: str, subject: Subject, client_id: str, terms: Terms) -> dict[str, Any]:
    """Give the claims to be signed. Times are whole seconds, `iat` never ahead of the clock."""
    assert terms.expires_at is not None  # noqa: S101 - a JWT always ends
    times = {"iat": int(terms.at.timestamp()), "exp": int(terms.expires_at.timestamp())}
    return lasting_claims(issuer, kind, subject, client_id, terms) | times | {"jti": jti}


def lasting_claims(issuer: str, kind: str, subject: Subject, client_id: str, terms: Terms) -> dict[str, Any]:
    """Give those that two tokens of the same terms share."""
    lasting: dict[str, Any] = {
        "iss": issuer,
        "sub": subject.id,
        "aud": terms.audience[0] if len(terms.audience) == 1 else list(terms.audience),
        "client_id": client_id,
        "scope": str(terms.grants.scopes),
        "credential_type": kind,
    }
    cnf = terms.confirmation.members()
    return lasting | {"cnf": cnf} if cnf else lasting
