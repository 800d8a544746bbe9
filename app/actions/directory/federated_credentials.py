"""A client's federated credentials: the tokens of other issuers that authenticate it (RFC 7523)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import keep_administrators
from app.actions.directory.client_rows import check_client, lock_changeable_client
from app.actions.directory.clients import Jwks, JwksUri
from app.actions.directory.escalation import refuse_delegates
from app.actions.directory.fields import Name
from app.actions.directory.names import checked_name
from app.actions.directory.rows import Page, Rows
from app.actions.trust.issuers import LONGEST_ISSUER, FederatedCredentialView, view_of
from app.actions.trust.registration import checked_jwks, checked_jwks_uri
from app.actions.trust.subject_pattern import LONGEST_PATTERN, checked_pattern
from app.clock import Clock
from app.database.store import Store
from app.database.types import new_id
from app.errors import Conflict, Invalid
from app.models import FederatedCredential
from app.models.auth_methods import NONE
from app.settings.settings import Settings

TARGET = "federated_credential"
MOST_PER_CLIENT = 10
MOST_CLAIMS = 10
LONGEST_AUDIENCE = 500  # characters
LONGEST_CLAIM = 500  # characters of a claim's value; its name has at most 200
SUBJECT = "the token's `sub`; * is one or more characters but no colon"
AUDIENCE = "the token's `aud`; else our issuer"
CREDENTIALS = Rows(FederatedCredential, "the client has no such federated credential")


@dataclass(frozen=True, slots=True)
class NewFederatedCredential:
    """Tokens to trust: `audience` is by default our issuer, and the keys come from the issuer's discovery document."""

    name: Name
    issuer: Annotated[
        str, Field(min_length=1, max_length=LONGEST_ISSUER, description="the token's `iss`, an https URL")
    ]
    subject: Annotated[str, Field(min_length=1, max_length=LONGEST_PATTERN, description=SUBJECT)]
    audience: Annotated[str, Field(min_length=1, max_length=LONGEST_AUDIENCE, description=AUDIENCE)] | None = None
    claims: Annotated[Mapping[str, Any], Field(description="further claims and the exact text of each")] = field(
        default_factory=dict
    )
    jwks: Annotated[Jwks, Field(description="public keys (RFC 7517 §5)")] | None = None
    jwks_uri: JwksUri | None = None


class FederatedCredentialActions:
    """Add, list and delete the federated credentials of a client."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._issuer = settings.issuer
        self._management = settings.management_identifier
        self._private = settings.allow_private_jwks_uri
        self._clock = clock

    def create(self, actor: Actor, client_row_id: str, new: NewFederatedCredential) -> FederatedCredentialView:
        """Trust one more kind of token to authenticate a client. Raises Forbidden, NotFound, Invalid, Conflict."""
        refuse_delegates(actor)
        now, row = self._clock(), self._new_row(new)
        with self._store.transaction() as session:
            client = lock_changeable_client(session, actor, client_row_id, self._management)
            if client.token_endpoint_auth_method == NONE:
                raise Conflict("the client is public: no token of another issuer authenticates it")
            count = select(func.count(FederatedCredential.id)).where(FederatedCredential.client_id == client_row_id)
            if (session.scalar(count) or 0) >= MOST_PER_CLIENT:
                raise Conflict(f"a client has at most {MOST_PER_CLIENT} federated credentials: delete one first")
            row.client_id, row.created_at = client.id, now
            session.add(row)
            details = {"client": client.client_id, "issuer": row.issuer, "subject": row.subject}
            record(session, actor, f"{TARGET}.create", TARGET, row.id, now, **details)
            session.flush()
            return view_of(row)

    def delete(self, actor: Actor, client_row_id: str, credential_id: str) -> None:
        """Stop trusting it: the next request with it is refused on every node.

        Raises NotFound, Forbidden, Conflict (the last administrator has no other way to authenticate).
        """
        now = self._clock()
        with self._store.transaction() as session, keep_administrators(session, actor, now):
            client = lock_changeable_client(session, actor, client_row_id, self._management)
            row = _load(session, client_row_id, credential_id)
            session.delete(row)
            details = {"client": client.client_id, "issuer": row.issuer, "subject": row.subject}
            record(session, actor, f"{TARGET}.delete", TARGET, credential_id, now, **details)

    def get(self, client_row_id: str, credential_id: str) -> FederatedCredentialView:
        """Return one. Raises NotFound."""
        with self._store.reading() as session:
            return view_of(_load(session, client_row_id, credential_id))

    def page(self, client_row_id: str, limit: int, after: str | None = None) -> Page[FederatedCredentialView]:
        """List a client's federated credentials, oldest first. Raises NotFound."""
        with self._store.reading() as session:
            check_client(session, client_row_id)
            return CREDENTIALS.page(session, limit, after, view_of, FederatedCredential.client_id == client_row_id)

    def _new_row(self, new: NewFederatedCredential) -> FederatedCredential:
        if new.jwks is not None and new.jwks_uri is not None:
            raise Invalid.field("jwks", "give either jwks or jwks_uri; without either, the issuer's discovery is asked")
        uri = new.jwks_uri
        return FederatedCredential(
            id=new_id("fed"),
            name=checked_name(new.name),
            issuer=self._checked_issuer(new.issuer),
            audience=_checked_audience(self._issuer if new.audience is None else new.audience),
            subject=checked_pattern(new.subject),
            claims=_checked_claims(new.claims),
            jwks=None if new.jwks is None else checked_jwks(new.jwks),
            jwks_uri=None if uri is None else checked_jwks_uri(uri, private=self._private),
        )

    def _checked_issuer(self, issuer: str) -> str:
        checked_jwks_uri(issuer, private=self._private, field="issuer")
        if len(issuer) > LONGEST_ISSUER or "?" in issuer:
            raise Invalid.field("issuer", f"must have no query and at most {LONGEST_ISSUER} characters")
        if issuer.rstrip("/").lower() == self._issuer.lower():
            raise Invalid.field("issuer", "is this server itself: its tokens prove no identity")
        return issuer


def _checked_audience(audience: str) -> str:
    if not audience.strip() or len(audience) > LONGEST_AUDIENCE or not audience.isprintable():
        raise Invalid.field("audience", f"must be 1 to {LONGEST_AUDIENCE} printable characters, not all of them spaces")
    return audience


def _checked_claims(claims: Mapping[str, Any]) -> dict[str, str]:
    if len(claims) > MOST_CLAIMS:
        raise Invalid.field("claims", f"must hold at most {MOST_CLAIMS} claims")
    for name, value in claims.items():
        if not (isinstance(value, str) and 1 <= len(name) <= 200 and 1 <= len(value) <= LONGEST_CLAIM):
            raise Invalid.field("claims", f"must be texts of 1 to {LONGEST_CLAIM} characters by the claim's name")
        if not name.isprintable() or not value.isprintable():
            raise Invalid.field("claims", "holds characters that are not allowed")
    return dict(claims)


def _load(session: Session, client_row_id: str, credential_id: str) -> FederatedCredential:
    of_client = FederatedCredential.client_id == client_row_id
    return CREDENTIALS.load(session, FederatedCredential.id == credential_id, of_client)
