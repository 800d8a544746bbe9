"""Clients: programs that are registered and trusted, with roles of their own and resources they serve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import Field
from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from app.access.rbac import grants_of_roles
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import keep_administrators
from app.actions.directory.changes import UNSET, Unset, assign, changed_fields
from app.actions.directory.client_rows import CLIENTS, load_client, lock_changeable_client
from app.actions.directory.client_rules import check_together, checked_grant_types, checked_scopes
from app.actions.directory.client_secrets import mint_secret
from app.actions.directory.escalation import refuse_changing_client, refuse_delegates, refuse_exceeding, refuse_serving
from app.actions.directory.fields import LONGEST_LIST, Identifier, Name, Names, Words
from app.actions.directory.names import checked_name
from app.actions.directory.roles import load_assignable_roles
from app.actions.directory.rows import Found, ListQuery, Page, view_of
from app.actions.directory.status import is_enabled
from app.actions.directory.uniqueness import translate_duplicates
from app.actions.trust.certificates import CertificateSubject, Subject, checked_subject
from app.actions.trust.page_uris import checked_page_uri
from app.actions.trust.redirect_uris import MOST_URIS, checked_redirect_uris
from app.actions.trust.registration import LONGEST_URI, checked_jwks, checked_jwks_uri
from app.clock import Clock
from app.credentials.kind import Issued
from app.crypto.certificate import SUBJECT_FIELDS
from app.database.store import Store
from app.database.types import new_id
from app.errors import Invalid
from app.models import Client, ClientRole, Resource, Role
from app.models.auth_methods import KEY_METHODS, SECRETLESS, Method
from app.models.client import BY_OPERATOR, Registrar
from app.models.grant_types import CLIENT_CREDENTIALS, GRANT_TYPES, OF_USERS, GrantType
from app.models.names import plain_name
from app.settings.settings import Settings

TARGET = "client"
PLAIN = (
    "enabled",
    "token_endpoint_auth_method",
    "dpop_bound_access_tokens",
    "tls_client_certificate_bound_access_tokens",
)
DPOP = "it gets no token without a DPoP proof (RFC 9449 §5.2)"
CERTIFICATE = "nor without a client certificate (RFC 8705 §3.4)"
AUDITED = ("token_endpoint_auth_method", "grant_types", "redirect_uris", "scopes")  # with their new values
PAGES = ("logo_uri", "client_uri", "policy_uri")
Jwks = Mapping[str, Any]
JwksUri = Annotated[str, Field(min_length=1, max_length=LONGEST_URI)]
Uri = Annotated[str, Field(min_length=1, max_length=LONGEST_URI)]
Identifiers = Annotated[tuple[Identifier, ...], Field(max_length=LONGEST_LIST)]
GrantTypes = Annotated[
    tuple[GrantType, ...],
    Field(min_length=1, max_length=len(GRANT_TYPES), description="the grants that it may use (RFC 7591 §2)"),
]
RedirectUris = Annotated[
    tuple[Uri, ...],
    Field(max_length=MOST_URIS, description="https, http on loopback, or a private-use scheme with a dot"),
]
Ceiling = Annotated[Words, Field(description="the only scopes that users may agree to; null: any")]


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client to register; `roles` are names, `serves` resource identifiers."""

    name: Name
    token_endpoint_auth_method: Method = "client_secret_basic"  # noqa: S105 - the method's name
    jwks: Annotated[Jwks, Field(description="public keys (RFC 7517 §5); keys of other uses are skipped")] | None = None
    jwks_uri: JwksUri | None = None
    roles: Annotated[Names, Field(description="names of machine roles")] = ()
    serves: Annotated[Identifiers, Field(description="identifiers of resources")] = ()
    enabled: bool = True
    dpop_bound_access_tokens: Annotated[bool, Field(description=DPOP)] = False
    tls_client_certificate_bound_access_tokens: Annotated[bool, Field(description=CERTIFICATE)] = False
    certificate_subject: Subject = field(default_factory=dict)
    grant_types: GrantTypes = (CLIENT_CREDENTIALS,)
    redirect_uris: RedirectUris = ()
    scopes: Ceiling | None = None
    logo_uri: Uri | None = None
    client_uri: Uri | None = None
    policy_uri: Uri | None = None


@dataclass(frozen=True, slots=True)
class ClientChanges:
    """Changes of a client; a field left UNSET is not changed."""

    name: Name | Unset = UNSET
    token_endpoint_auth_method: Method | Unset = UNSET
    jwks: Jwks | Unset | None = UNSET
    jwks_uri: JwksUri | Unset | None = UNSET
    roles: Names | Unset = UNSET
    serves: Identifiers | Unset = UNSET
    enabled: bool | Unset = UNSET
    dpop_bound_access_tokens: bool | Unset = UNSET
    tls_client_certificate_bound_access_tokens: bool | Unset = UNSET
    certificate_subject: Subject | Unset = UNSET
    grant_types: GrantTypes | Unset = UNSET
    redirect_uris: RedirectUris | Unset = UNSET
    scopes: Ceiling | Unset | None = UNSET
    logo_uri: Uri | Unset | None = UNSET
    client_uri: Uri | Unset | None = UNSET
    policy_uri: Uri | Unset | None = UNSET

    @property
    def changes_keys(self) -> bool:
        """Whether it changes how the client authenticates."""
        proofs = (self.token_endpoint_auth_method, self.jwks, self.jwks_uri, self.certificate_subject)
        return any(c is not UNSET for c in proofs)

    @property
    def changes_proof(self) -> bool:
        """Whether it changes how the client gets a token, or where a code is sent: that creates a credential."""
        return self.changes_keys or self.grant_types is not UNSET or self.redirect_uris is not UNSET

    def unbinds(self, row: Client) -> bool:
        """Whether it removes a binding: tokens then work without the key or certificate, which creates a credential."""
        of_key = row.dpop_bound_access_tokens and self.dpop_bound_access_tokens is False
        of_certificate = row.tls_client_certificate_bound_access_tokens
        return of_key or (of_certificate and self.tls_client_certificate_bound_access_tokens is False)


@dataclass(frozen=True, slots=True)
class ClientView(CertificateSubject):
    """A client as it is shown."""

    id: str
    client_id: str
    name: str
    token_endpoint_auth_method: Method
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    roles: tuple[str, ...]
    serves: tuple[str, ...]
    enabled: bool
    dpop_bound_access_tokens: bool
    tls_client_certificate_bound_access_tokens: bool
    grant_types: tuple[GrantType, ...]
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...] | None
    logo_uri: str | None
    client_uri: str | None
    policy_uri: str | None
    registered_by: Registrar
    created_at: datetime


class ClientActions:
    """Register, list, change and delete clients."""

    sorts: ClassVar = CLIENTS.sorts

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._management = settings.management_identifier
        self._private_jwks_uri = settings.allow_private_jwks_uri
        self._clock = clock

    def create(self, actor: Actor, new: NewClient) -> tuple[ClientView, Issued | None]:
        """Register a client; its first secret, unless it authenticates without one, is in `Issued` and nowhere else.

        Raises Forbidden, Invalid (keys, roles, resources, grants and what belongs to them).
        """
        refuse_delegates(actor)
        now, new_client_id, name = self._clock(), new_id("client"), checked_name(new.name)
        with translate_duplicates("another client has this client_id"), self._store.transaction() as session:
            row = Client(
                id=new_client_id,  # a new client's two ids are the same
                client_id=new_client_id,
                name=name,
                token_endpoint_auth_method=new.token_endpoint_auth_method,
                enabled=new.enabled,
                dpop_bound_access_tokens=new.dpop_bound_access_tokens,
                tls_client_certificate_bound_access_tokens=new.tls_client_certificate_bound_access_tokens,
                created_at=now,
                serves=_load_served(session, actor, new.serves),
                registered_by=BY_OPERATOR,
            )
            self._set_keys(row, new.jwks, new.jwks_uri, new.certificate_subject)
            self._assign_roles(session, actor, row, new.roles)
            _set_app(session, actor, row, new)
            session.add(row)
            details = {"roles": list(new.roles), **(_audited(row, AUDITED) if OF_USERS & set(row.grant_types) else {})}
            record(session, actor, f"{TARGET}.create", TARGET, row.client_id, now, name=name, **details)
            issued = None if new.token_endpoint_auth_method in SECRETLESS else mint_secret(row, "", now)
            session.flush()
            return _view(row), issued

    def change(self, actor: Actor, client_row_id: str, changes: ClientChanges) -> ClientView:
        """Change the fields that are given; `roles` and `enabled` apply at once to every token of the client.

        Raises NotFound, Invalid, Forbidden (the client carries more than the caller, or would; a key, or a binding
        taken off, by delegation), Conflict (the last administrator).
        """
        now = self._clock()
        named = changed_fields(changes)
        with (
            translate_duplicates("another client has this client_id"),
            self._store.transaction() as session,
            keep_administrators(session, actor, now),
        ):
            row = load_client(session, client_row_id, lock=True)
            if changes.changes_proof or changes.unbinds(row):
                refuse_delegates(actor)
            refuse_changing_client(actor, session, row.id, self._management)
            self._apply(session, actor, row, changes)
            if named and named != ["enabled"]:
                row.registration_digest = None  # an app undoes no change of an operator (RFC 7592 §1.3)
            details = {"roles": [role.name for role in row.roles], **_audited(row, named)}
            record(session, actor, f"{TARGET}.update", TARGET, row.client_id, now, changed=named, **details)
            session.flush()
            return _view(row)

    def delete(self, actor: Actor, client_row_id: str) -> None:
        """Delete a client: its secrets and tokens end at once.

        Raises NotFound, Forbidden, Conflict (the last administrator).
        """
        now = self._clock()
        with self._store.transaction() as session, keep_administrators(session, actor, now):
            row = lock_changeable_client(session, actor, client_row_id, self._management)
            session.execute(delete(Client).where(Client.id == client_row_id))
            record(session, actor, f"{TARGET}.delete", TARGET, row.client_id, now, name=row.name)

    def get(self, client_row_id: str) -> ClientView:
        """Return one client. Raises NotFound."""
        with self._store.reading() as session:
            return _view(load_client(session, client_row_id))

    def page(self, limit: int, after: str | None = None, client_id: str | None = None) -> Page[ClientView]:
        """List clients, oldest first, or the one with this public client_id."""
        of_client = None if client_id is None else Client.client_id == client_id
        with self._store.reading() as session:
            return CLIENTS.page(session, limit, after, _view, of_client)

    def search(self, wanted: ListQuery, *, enabled: bool | None = None, role: str | None = None) -> Found[ClientView]:
        """Read a list of clients: all, the enabled or the disabled ones, all or the members of one role."""
        has_role = None if role is None else Client.id.in_(_having(role))
        with self._store.reading() as session:
            return CLIENTS.search(session, wanted, _view, is_enabled(Client, enabled), has_role)

    def _apply(self, session: Session, actor: Actor, row: Client, changes: ClientChanges) -> None:
        assign(row, changes, *PLAIN, name=checked_name)
        if not isinstance(changes.serves, Unset):
            row.serves = _load_served(session, actor, changes.serves)
        if not isinstance(changes.roles, Unset):
            self._assign_roles(session, actor, row, changes.roles)
        if changes.changes_keys:
            self._set_keys(
                row,
                row.jwks if isinstance(changes.jwks, Unset) else changes.jwks,
                row.jwks_uri if isinstance(changes.jwks_uri, Unset) else changes.jwks_uri,
                {} if isinstance(changes.certificate_subject, Unset) else changes.certificate_subject,
            )
        _set_app(session, actor, row, changes)

    def _set_keys(self, row: Client, jwks: Mapping[str, Any] | None, jwks_uri: str | None, subject: Subject) -> None:
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

    def _assign_roles(self, session: Session, actor: Actor, row: Client, names: tuple[str, ...]) -> None:
        roles = load_assignable_roles(session, names, "machine")
        refuse_exceeding(actor, grants_of_roles(session, [role.id for role in roles]), self._management)
        row.roles = roles


def _load_served(session: Session, actor: Actor, identifiers: tuple[str, ...]) -> list[Resource]:
    """Return the resources of these identifiers; raises Invalid and Forbidden."""
    wanted = tuple(dict.fromkeys(identifiers))
    found = {row.identifier: row for row in session.scalars(select(Resource).where(Resource.identifier.in_(wanted)))}
    if unknown := [identifier for identifier in wanted if identifier not in found]:
        raise Invalid.field("serves", f"there is no resource {', '.join(unknown)}")
    refuse_serving(actor, found.values())
    return [found[identifier] for identifier in wanted]


def _set_app(session: Session, actor: Actor, row: Client, given: NewClient | ClientChanges) -> None:
    """Set what an app that acts for users is registered with; raises Invalid and Forbidden."""
    kept = row.scopes or ()
    assign(
        row,
        given,
        grant_types=checked_grant_types,
        redirect_uris=checked_redirect_uris,
        scopes=lambda names: None if names is None else checked_scopes(session, actor, names, kept),
        **{name: partial(checked_page_uri, field=name) for name in PAGES},
    )
    check_together(row, session)


def _audited(row: Client, names: Iterable[str]) -> dict[str, object]:
    return {name: getattr(row, name) for name in names if name in AUDITED}


def _having(role: str) -> Select[str]:
    return select(ClientRole.client_id).join(Role, Role.id == ClientRole.role_id).where(Role.name == plain_name(role))


def _view(row: Client) -> ClientView:
    subject = dict.fromkeys(SUBJECT_FIELDS) | (row.tls_client_subject or {})
    roles = tuple(sorted(role.name for role in row.roles))
    lists = {
        "roles": roles,
        "serves": tuple(sorted(resource.identifier for resource in row.serves)),
        "grant_types": tuple(row.grant_types),
        "redirect_uris": tuple(row.redirect_uris),
        "scopes": None if row.scopes is None else tuple(row.scopes),
    }
    return view_of(ClientView, row, **lists, **subject)
