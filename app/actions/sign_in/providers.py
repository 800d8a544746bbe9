"""The identity providers at which users sign in: the settings file's, and the rows that operators add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.crypto.provider_secrets import ProviderSecrets
from app.database.store import Store
from app.models import IdentityProvider, Role
from app.settings.identity_providers import Claims, ProviderEntry, Roles
from app.settings.settings import Settings

CLIENT_SECRET, KEY_JWT = "client_secret", "private_key_jwt"  # how we authenticate at a provider
FOREIGN = "this sign-in was not begun in this browser, or is over: begin again"
CALLBACK, LOGOUT = "/login/callback/", "/login/backchannel-logout/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An identity provider, with our registration there; without a `client_secret` our signing key authenticates us."""

    id: str
    name: str
    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    scopes: tuple[str, ...]
    username_claim: str
    groups_claim: str
    roles: Roles
    create_users: bool
    required_claims: Claims


@dataclass(frozen=True, slots=True)
class BegunSignIn:
    """A sign-in that a browser has begun; `user_id` is the signed-in user who links an account, if any."""

    provider_id: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    next_path: str
    begun_at: int
    user_id: str | None = None


class ListedProvider(NamedTuple):
    """A provider as a button shows it."""

    id: str
    name: str
    issuer: str


class Providers:
    """Finds the providers that may be used; rows are read again each time."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._secrets = ProviderSecrets(settings.sealing_keys)
        self._of_file: Mapping[str, Provider] = {
            entry.id: provider_of_entry(entry) for entry in settings.identity_provider
        }

    def listed(self) -> list[ListedProvider]:
        """Return what each is called, sorted by name; no secret is opened."""
        query = select(IdentityProvider.id, IdentityProvider.name, IdentityProvider.issuer)
        with self._store.connection() as connection:
            rows = [ListedProvider(*row) for row in connection.execute(query.where(IdentityProvider.enabled))]
        own = [ListedProvider(one.id, one.name, one.issuer) for one in self._of_file.values()]
        return sorted([*own, *rows], key=lambda one: one.name.casefold())

    def find(self, provider_id: str) -> Provider | None:
        """Return the enabled provider of this id. Raises BadSettings when its secret cannot be opened."""
        if provider_id in self._of_file:
            return self._of_file[provider_id]
        with self._store.reading() as session:
            row = session.get(IdentityProvider, provider_id)
            return self._provider_of_row(row) if row is not None and row.enabled else None

    def roles_of_issuer(self, session: Session, issuer: str) -> list[str]:
        """Return the ids of the roles that providers of an issuer give to any group; disabled ones may be enabled."""
        rows = session.scalars(select(IdentityProvider.roles).where(IdentityProvider.issuer == issuer))
        maps = [*rows, *(one.roles for one in self._of_file.values() if one.issuer == issuer)]
        names = {name for groups in maps for roles in groups.values() for name in roles}
        return list(session.scalars(select(Role.id).where(Role.type == "user", Role.name.in_(names))))

    def _provider_of_row(self, row: IdentityProvider) -> Provider:
        sealed = row.sealed_client_secret
        return Provider(
            id=row.id,
            name=row.name,
            issuer=row.issuer,
            client_id=row.client_id,
            client_secret=None if sealed is None else self._secrets.open(sealed),
            scopes=tuple(row.scopes),
            username_claim=row.username_claim,
            groups_claim=row.groups_claim,
            roles={group: tuple(names) for group, names in row.roles.items()},
            create_users=row.create_users,
            required_claims=row.required_claims,
        )


def provider_of_entry(entry: ProviderEntry) -> Provider:
    """Return the provider of an entry of the settings file."""
    return Provider(
        id=entry.id,
        name=entry.name,
        issuer=entry.issuer,
        client_id=entry.client_id,
        client_secret=entry.client_secret.get_secret_value() or None,
        scopes=entry.scopes,
        username_claim=entry.username_claim,
        groups_claim=entry.groups_claim,
        roles=entry.roles,
        create_users=entry.create_users,
        required_claims=entry.required_claims,
    )
