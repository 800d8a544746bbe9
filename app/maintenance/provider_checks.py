"""Check how people sign in: the roles that identity providers give, and whether there is any way in at all."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import exists, or_, select

from app.actions.sign_in.factors import is_administrator
from app.database.store import Store
from app.errors import BadSettings
from app.models import IdentityLink, IdentityProvider, Passkey, Role, User
from app.settings.settings import Settings

NO_WAY_IN = (
    "PASSWORDS is off, and there is neither an identity provider nor a passkey: add [[identity_provider]] to"
    " latchkey.toml, run `latchkey identity-provider create`, or set PASSWORDS"
)


def find_unknown_roles(settings: Settings, store: Store) -> list[str]:
    """Return the roles that identity providers give and that do not exist for users: provider, group and role."""
    with store.connection() as connection:
        known = set(connection.execute(select(Role.name).where(Role.type == "user")).scalars())
        rows = connection.execute(select(IdentityProvider.name, IdentityProvider.roles)).all()
    maps = [*((entry.name, entry.roles) for entry in settings.identity_provider), *((row[0], row[1]) for row in rows)]
    return [
        f"{name}: {group} = {role}"
        for name, groups in maps
        for group, roles in groups.items()
        for role in roles
        if role not in known
    ]


def has_way_in(settings: Settings, store: Store) -> bool:
    """Return whether anybody could sign in with a browser."""
    if settings.passwords != "off" or settings.identity_provider:
        return True
    with store.connection() as connection:
        ways = select(exists().where(IdentityProvider.enabled), exists().where(Passkey.id.is_not(None)))
        return any(connection.execute(ways).one())


def find_shut_out(settings: Settings, store: Store) -> Sequence[str]:
    """Return the enabled administrators who cannot sign in with a browser, by username.

    Where nobody may use a password, they need a passkey, or a linked account of a provider that is enabled.
    """
    if settings.passwords != "off":
        return ()
    asked = select(IdentityProvider.issuer).where(IdentityProvider.enabled)
    of_file = [entry.issuer for entry in settings.identity_provider]
    usable = or_(IdentityLink.issuer.in_(asked), IdentityLink.issuer.in_(of_file))
    ways = exists().where(Passkey.user_id == User.id), exists().where(IdentityLink.user_id == User.id, usable)
    query = select(User.username).where(User.enabled, is_administrator(User.id), ~or_(*ways))
    with store.connection() as connection:
        return connection.execute(query.order_by(User.username)).scalars().all()


def refuse_no_way_in(settings: Settings, store: Store) -> None:
    """Raise BadSettings when nobody could sign in with a browser."""
    if not has_way_in(settings, store):
        raise BadSettings(NO_WAY_IN)
