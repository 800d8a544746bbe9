"""Identity providers that operators add: create, list, change and delete; the settings file's are only shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.access.rbac import grants_of_roles
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import LOCK, drop_dormant_scopes
from app.actions.directory.changes import changed_fields
from app.actions.directory.escalation import refuse_delegates, refuse_exceeding
from app.actions.directory.identity_provider_records import (
    MOST_PROVIDERS,
    IdentityProviderChanges,
    IdentityProviderView,
    NewIdentityProvider,
)
from app.actions.directory.names import checked_name
from app.actions.directory.provided_roles import end_source
from app.actions.directory.roles import load_assignable_roles
from app.actions.directory.rows import Page, Rows, view_of
from app.actions.directory.uniqueness import translate_duplicates
from app.actions.sign_in.providers import CALLBACK, CLIENT_SECRET, KEY_JWT, LOGOUT
from app.clock import Clock
from app.crypto.provider_secrets import ProviderSecrets
from app.database.locks import advisory_lock
from app.database.store import Store
from app.database.types import new_id
from app.errors import Conflict, Duplicate, Invalid
from app.models import IdentityProvider, Role, UserSession
from app.models.names import name_key, plain_name
from app.settings.identity_providers import (
    RULES,
    ProviderEntry,
    check_authentication,
    check_groups,
    check_provider_issuer,
)
from app.settings.settings import Settings

TARGET = "identity_provider"
OF_FILE = "this identity provider is in the settings file: change it there"
TAKEN = "another identity provider has this name"
PLAIN = ("client_id", "scopes", "username_claim", "groups_claim", "roles", "create_users", "required_claims")
PROVIDERS = Rows(IdentityProvider, "there is no such identity provider")


class IdentityProviderActions:
    """Create, list, change and delete providers; the settings file's come first and cannot be changed."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._issuer = settings.issuer
        self._management = settings.management_identifier
        self._private = settings.allow_private_jwks_uri
        self._secrets = ProviderSecrets(settings.sealing_keys)
        self._of_file = {entry.id: self._entry_view(entry) for entry in settings.identity_provider}
        self._clock = clock

    def create(self, actor: Actor, new: NewIdentityProvider) -> IdentityProviderView:
        """Add a provider. Raises Invalid, Duplicate, Conflict, Forbidden (roles that carry more than the caller)."""
        refuse_delegates(actor)
        now = self._clock()
        row = IdentityProvider(id=new_id("idp"), issuer=self._checked_issuer(new.issuer), created_at=now)
        row.enabled, row.auth_method = new.enabled, CLIENT_SECRET
        self._assign(row, new)
        with translate_duplicates(TAKEN), self._store.transaction() as session:
            if (session.scalar(select(func.count(IdentityProvider.id))) or 0) >= MOST_PROVIDERS:
                raise Conflict(f"there are at most {MOST_PROVIDERS} identity providers: delete one first")
            self._check_roles(session, actor, row)
            session.add(row)
            record(session, actor, f"{TARGET}.create", TARGET, row.id, now, name=row.name, issuer=row.issuer)
            session.flush()
            return self._view(row)

    def change(self, actor: Actor, provider_id: str, changes: IdentityProviderChanges) -> IdentityProviderView:
        """Change a provider; disabling it ends the sign-ins that began there.

        Raises NotFound, Invalid, Duplicate, Conflict (in the settings file), Forbidden (it gives, or would give, more
        than the caller has).
        """
        refuse_delegates(actor)
        self._refuse_of_file(provider_id)
        now, changed = self._clock(), changed_fields(changes)
        with translate_duplicates(TAKEN), self._store.transaction() as session:
            row = PROVIDERS.load(session, IdentityProvider.id == provider_id, lock=True)
            self._refuse_exceeding(session, actor, row)
            self._assign(row, changes)
            if "roles" in changed:
                self._check_roles(session, actor, row)
            if not row.enabled:
                session.execute(delete(UserSession).where(UserSession.provider == row.id))
            record(session, actor, f"{TARGET}.update", TARGET, row.id, now, name=row.name, changed=changed)
            session.flush()
            return self._view(row)

    def delete(self, actor: Actor, provider_id: str) -> None:
        """Delete a provider, with the roles that it gives and the sign-ins that began there; links stay.

        Raises NotFound, Conflict (in the settings file), Forbidden.
        """
        self._refuse_of_file(provider_id)
        now = self._clock()
        with self._store.transaction() as session:
            advisory_lock(session, LOCK)  # before any row: else a change of a user, who has both, waits for this one
            row = PROVIDERS.load(session, IdentityProvider.id == provider_id, lock=True)
            self._refuse_exceeding(session, actor, row)
            session.delete(row)
            session.execute(delete(UserSession).where(UserSession.provider == row.id))
            if end_source(session, row.id):
                drop_dormant_scopes(session, actor, now)
            record(session, actor, f"{TARGET}.delete", TARGET, row.id, now, name=row.name, issuer=row.issuer)

    def get(self, provider_id: str) -> IdentityProviderView:
        """Return one. Raises NotFound."""
        if provider_id in self._of_file:
            return self._of_file[provider_id]
        with self._store.reading() as session:
            return self._view(PROVIDERS.load(session, IdentityProvider.id == provider_id))

    def page(self, limit: int, after: str | None = None) -> Page[IdentityProviderView]:
        """List the providers: the settings file's on the first page, beside its `limit`; then oldest first."""
        with self._store.reading() as session:
            shown, cursor = PROVIDERS.page(session, limit, after, self._view)
        return [*(self._of_file.values() if after is None else ()), *shown], cursor

    def _assign(self, row: IdentityProvider, given: NewIdentityProvider | IdentityProviderChanges) -> None:
        """Set what is given, checked. Raises Invalid, Duplicate."""
        values = {name: getattr(given, name) for name in changed_fields(given)}
        if "name" in values:
            row.name = self._checked_name(values["name"])
        for name in (name for name in PLAIN if name in values):
            setattr(row, name, _stored(_check(name, RULES[name], values[name])))
        row.enabled = bool(values.get("enabled", row.enabled))
        row.roles = {group: [plain_name(name) for name in names] for group, names in row.roles.items()}
        self._set_authentication(row, values.get("client_secret"), values.get(KEY_JWT))
        ways = row.sealed_client_secret is not None, row.auth_method == KEY_JWT
        _check("client_secret", lambda _: check_authentication(*ways), None)
        _check("groups_claim", lambda claim: check_groups(str(claim), row.roles), row.groups_claim)

    def _set_authentication(self, row: IdentityProvider, secret: str | None, key_jwt: bool | None) -> None:
        if secret is not None and key_jwt:
            raise Invalid.field("client_secret", "set either client_secret or private_key_jwt")
        if secret is not None:
            checked = _check("client_secret", RULES["client_secret"], secret)
            row.sealed_client_secret, row.auth_method = self._secrets.close(checked), CLIENT_SECRET
        elif key_jwt is not None and key_jwt != (row.auth_method == KEY_JWT):
            row.sealed_client_secret, row.auth_method = None, KEY_JWT if key_jwt else CLIENT_SECRET

    def _checked_name(self, name: str) -> str:
        checked = checked_name(str(_check("name", RULES["name"], name)))
        if name_key(checked) in {name_key(one.name) for one in self._of_file.values()}:
            raise Duplicate(TAKEN)
        return checked

    def _checked_issuer(self, issuer: str) -> str:
        _check("issuer", RULES["issuer"], issuer)
        check = partial(check_provider_issuer, own=self._issuer, private=self._private)
        return str(_check("issuer", lambda value: check(str(value)), issuer))

    def _check_roles(self, session: Session, actor: Actor, row: IdentityProvider) -> None:
        """Refuse roles that do not exist, that are for machines, or that carry more than the caller."""
        load_assignable_roles(session, _role_names(row), "user")
        self._refuse_exceeding(session, actor, row)

    def _refuse_exceeding(self, session: Session, actor: Actor, row: IdentityProvider) -> None:
        given = session.scalars(select(Role.id).where(Role.name.in_(_role_names(row)), Role.type == "user")).all()
        refuse_exceeding(actor, grants_of_roles(session, list(given)), self._management)

    def _refuse_of_file(self, provider_id: str) -> None:
        if provider_id in self._of_file:
            raise Conflict(OF_FILE)

    def _view(self, row: IdentityProvider) -> IdentityProviderView:
        computed = {"private_key_jwt": row.auth_method == KEY_JWT, "scopes": tuple(row.scopes)}
        return view_of(IdentityProviderView, row, **computed, from_file=False, **self._uris(row.id))

    def _entry_view(self, entry: ProviderEntry) -> IdentityProviderView:
        fixed = {"enabled": True, "from_file": True, "created_at": None}
        mapped = {group: list(names) for group, names in entry.roles.items()}
        return view_of(IdentityProviderView, entry, roles=mapped, **fixed, **self._uris(entry.id))

    def _uris(self, provider_id: str) -> dict[str, str]:
        return {
            "redirect_uri": f"{self._issuer}{CALLBACK}{provider_id}",
            "backchannel_logout_uri": f"{self._issuer}{LOGOUT}{provider_id}",
        }


def _role_names(row: IdentityProvider) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in row.roles.values() for name in names))


def _check(field: str, rule: Callable[[object], Any], value: object) -> Any:
    try:
        return rule(value)
    except ValueError as error:
        raise Invalid.field(field, str(error)) from None


def _stored(value: Any) -> Any:
    """Return a value as a column of JSON holds it."""
    return list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value
