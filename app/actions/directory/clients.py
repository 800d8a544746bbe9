"""Clients: programs that are registered and trusted, with roles of their own and resources they serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session, selectinload

from app.access.rbac import grants_of_roles
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import keeping_administrators
from app.actions.directory.changes import UNSET, Unset
from app.actions.directory.client_secrets import mint_secret
from app.actions.directory.guard import refuse_changing_client, refuse_delegates, refuse_exceeding, refuse_serving
from app.actions.directory.names import checked_name
from app.actions.directory.paging import page
from app.actions.directory.roles import assignable
from app.actions.directory.uniqueness import refusing_duplicates
from app.actions.trust.certificates import (
    SECRETLESS,
    CertificateSubject,
    Method,
    Subject,
    checked_subject,
)
from app.actions.trust.registration import checked_jwks, checked_jwks_uri
from app.clock import Clock
from app.credentials.kind import Issued
from app.database.locks import for_update
from app.database.store import Store
from app.database.types import new_id
from app.errors import Invalid, NotFound
from app.models import Client, Resource
from app.models.client import KEY_METHODS
from app.settings.settings import Settings

TARGET = "client"


@dataclass(frozen=True, slots=True)
class NewClient:
    """What a new client shall be; `roles` are names, `serves` resource identifiers."""

    name: str
    token_endpoint_auth_method: Method = "client_secret_basic"  # noqa: S105 - the method's name
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    roles: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    enabled: bool = True
    dpop_bound_access_tokens: bool = False
    tls_client_certificate_bound_access_tokens: bool = False
    certificate_subject: Subject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClientChanges:
    """What changes of a client; a field left UNSET stays as it is."""

    name: str | Unset = UNSET
    token_endpoint_auth_method: Method | Unset = UNSET
    jwks: Mapping[str, Any] | Unset | None = UNSET
    jwks_uri: str | Unset | None = UNSET
    roles: tuple[str, ...] | Unset = UNSET
    serves: tuple[str, ...] | Unset = UNSET
    enabled: bool | Unset = UNSET
    dpop_bound_access_tokens: bool | Unset = UNSET
    tls_client_certificate_bound_access_tokens: bool | Unset = UNSET
    certificate_subject: Subject | Unset = UNSET

    @property
    def rekeys(self) -> bool:
        """Tell whether it changes how the client proves who it is: that makes a credential."""
        proofs = (self.token_endpoint_auth_method, self.jwks, self.jwks_uri, self.certificate_subject)
        return any(c is not UNSET for c in proofs)

    def loosens(self, row: Client) -> bool:
        """Tell whether it takes a binding off: what was of no use without a key or certificate becomes a credential."""
        of_key = row.dpop_bound_access_tokens and self.dpop_bound_access_tokens is False
        of_certificate = row.tls_client_certificate_bound_access_tokens
        return of_key or (of_certificate and self.tls_client_certificate_bound_access_tokens is False)


@dataclass(frozen=True, slots=True)
class ClientView(CertificateSubject):
    """A client as it is shown."""

    id: str
    client_id: str
    name: str
    token_endpoint_auth_method: str
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    roles: tuple[str, ...]
    serves: tuple[str, ...]
    enabled: bool
    dpop_bound_access_tokens: bool
    tls_client_certificate_bound_access_tokens: bool
    created_at: datetime


class ClientActions:
    """An operator's work on clients."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._management = settings.management_identifier
        self._private_jwks_uri = settings.allow_private_jwks_uri
        self._clock = clock

    def create(self, actor: Actor, new: NewClient) -> tuple[ClientView, Issued | None]:
        """Register a client; its first secret, unless it proves itself without one, is in `Issued` and nowhere else.

        Raises Forbidden, Invalid (keys, roles, resources).
        """
        refuse_delegates(actor)
        now, new_client_id, name = self._clock(), new_id("client"), checked_name(new.name)
        with refusing_duplicates("another client has this client_id"), self._store.transaction() as session:
            row = Client(
                id=new_client_id,  # one name is enough where nobody chose another
                client_id=new_client_id,
                name=name,
                token_endpoint_auth_method=new.token_endpoint_auth_method,
                enabled=new.enabled,
                dpop_bound_access_tokens=new.dpop_bound_access_tokens,
                tls_client_certificate_bound_access_tokens=new.tls_client_certificate_bound_access_tokens,
                created_at=now,
                serves=_servable(session, actor, new.serves),
            )
            self._rekey(row, new.jwks, new.jwks_uri, new.certificate_subject)
            self._assign(session, actor, row, new.roles)
            session.add(row)
            record(session, actor, f"{TARGET}.create", TARGET, row.client_id, now, name=name, roles=list(new.roles))
            issued = None if new.token_endpoint_auth_method in SECRETLESS else mint_secret(row, "", now)
            session.flush()
            return _view(row), issued

    def change(self, actor: Actor, client_row_id: str, changes: ClientChanges) -> ClientView:
        """Change what is named; roles and `enabled` are felt at once by every token of the client.

        Raises NotFound, Invalid, Forbidden (the client carries more than the caller, or would; a key, or a binding
        taken off, by delegation), Conflict (the last administrator).
        """
        now = self._clock()
        named = [name for name in ClientChanges.__slots__ if getattr(changes, name) is not UNSET]
        with (
            refusing_duplicates("another client has this client_id"),
            self._store.transaction() as session,
            keeping_administrators(session, actor, now),
        ):
            row = found_client(session, client_row_id, changing=True)
            if changes.rekeys or changes.loosens(row):
                refuse_delegates(actor)
            refuse_changing_client(actor, session, row.id, self._management)
            self._apply(session, actor, row, changes)
            roles = [role.name for role in row.roles]
            record(session, actor, f"{TARGET}.update", TARGET, row.client_id, now, changed=named, roles=roles)
            session.flush()
            return _view(row)

    def delete(self, actor: Actor, client_row_id: str) -> None:
        """Take a client away: its secrets and tokens are dead at once.

        Raises NotFound, Forbidden, Conflict (the last administrator).
        """
        now = self._clock()
        with self._store.transaction() as session, keeping_administrators(session, actor, now):
            row = found_client(session, client_row_id, changing=True)
            refuse_changing_client(actor, session, row.id, self._management)
            session.execute(delete(Client).where(Client.id == client_row_id))
            record(session, actor, f"{TARGET}.delete", TARGET, row.client_id, now, name=row.name)

    def get(self, client_row_id: str) -> ClientView:
        """Show one client; raises NotFound."""
        with self._store.reading() as session:
            return _view(found_client(session, client_row_id))

    def page(
        self, limit: int, after: str | None = None, client_id: str | None = None
    ) -> tuple[list[ClientView], str | None]:
        """List clients, oldest first, or the one of this public client_id."""
        query = _whole() if client_id is None else _whole().where(Client.client_id == client_id)
        with self._store.reading() as session:
            rows, cursor = page(session, query, Client.id, limit, after)
            return [_view(row) for row in rows], cursor

    def _apply(self, session: Session, actor: Actor, row: Client, changes: ClientChanges) -> None:
        if not isinstance(changes.name, Unset):
            row.name = checked_name(changes.name)
        if not isinstance(changes.enabled, Unset):
            row.enabled = changes.enabled
        if not isinstance(changes.dpop_bound_access_tokens, Unset):
            row.dpop_bound_access_tokens = changes.dpop_bound_access_tokens
        if not isinstance(changes.tls_client_certificate_bound_access_tokens, Unset):
            row.tls_client_certificate_bound_access_tokens = changes.tls_client_certificate_bound_access_tokens
        if not isinstance(changes.serves, Unset):
            row.serves = _servable(session, actor, changes.serves)
        if not isinstance(changes.roles, Unset):
            self._assign(session, actor, row, changes.roles)
        if not isinstance(changes.token_endpoint_auth_method, Unset):
            row.token_endpoint_auth_method = changes.token_endpoint_auth_method
        if changes.rekeys:
            self._rekey(
                row,
                row.jwks if isinstance(changes.jwks, Unset) else changes.jwks,
                row.jwks_uri if isinstance(changes.jwks_uri, Unset) else changes.jwks_uri,
                {} if isinstance(changes.certificate_subject, Unset) else changes.certificate_subject,
            )

    def _rekey(self, row: Client, jwks: Mapping[str, Any] | None, jwks_uri: str | None, subject: Subject) -> None:
        """Set the keys and the certificate's subject as the method needs them: none for a secret."""
        sources = [name for name, value in (("jwks", jwks), ("jwks_uri", jwks_uri)) if value is not None]
        method = row.token_endpoint_auth_method
        if method in KEY_METHODS and len(sources) != 1:
            raise Invalid.field("jwks", f"{method} needs either jwks or jwks_uri")
        if method not in KEY_METHODS and sources:
            raise Invalid.field(
                sources[0], f"is for token_endpoint_auth_method {' or '.join(sorted(KEY_METHODS))} alone"
            )
        row.jwks = None if jwks is None else checked_jwks(jwks)
        row.jwks_uri = None if jwks_uri is None else checked_jwks_uri(jwks_uri, private=self._private_jwks_uri)
        row.tls_client_subject = checked_subject(method, row.tls_client_subject or {}, subject)

    def _assign(self, session: Session, actor: Actor, row: Client, names: tuple[str, ...]) -> None:
        roles = assignable(session, names, "machine")
        refuse_exceeding(actor, grants_of_roles(session, [role.id for role in roles]), self._management)
        row.roles = roles


def found_client(session: Session, client_row_id: str, *, changing: bool = False) -> Client:
    """Give the client's row, held for who is `changing` it; raises NotFound."""
    query = _whole().where(Client.id == client_row_id)
    row = session.scalar(for_update(query, Client) if changing else query)
    if row is None:
        raise NotFound("there is no such client")
    return row


def _servable(session: Session, actor: Actor, identifiers: tuple[str, ...]) -> list[Resource]:
    """Return the resources of these identifiers; raises Invalid and Forbidden."""
    wanted = tuple(dict.fromkeys(identifiers))
    found = {row.identifier: row for row in session.scalars(select(Resource).where(Resource.identifier.in_(wanted)))}
    if unknown := [identifier for identifier in wanted if identifier not in found]:
        raise Invalid.field("serves", f"there is no resource {', '.join(unknown)}")
    refuse_serving(actor, found.values())
    return [found[identifier] for identifier in wanted]


def _whole() -> Select[Client]:
    return select(Client).options(selectinload(Client.roles), selectinload(Client.serves), selectinload(Client.secrets))


def _view(row: Client) -> ClientView:
    return ClientView(
        id=row.id,
        client_id=row.client_id,
        name=row.name,
        token_endpoint_auth_method=row.token_endpoint_auth_method,
        jwks=row.jwks,
        jwks_uri=row.jwks_uri,
        roles=tuple(sorted(role.name for role in row.roles)),
        serves=tuple(sorted(resource.identifier for resource in row.serves)),
        enabled=row.enabled,
        dpop_bound_access_tokens=row.dpop_bound_access_tokens,
        tls_client_certificate_bound_access_tokens=row.tls_client_certificate_bound_access_tokens,
        **(row.tls_client_subject or {}),
        created_at=row.created_at,
    )
