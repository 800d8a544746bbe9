"""Complete names from the database in a shell: what cannot be read completes nothing, without a word."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem
from sqlalchemy import Select, create_engine, select

from app.cli.options import Completer
from app.models import (
    ApiKey,
    AppGrant,
    Client,
    IdentityProvider,
    Permission,
    PersonalAccessToken,
    Resource,
    Role,
    User,
    Webhook,
)
from app.settings.load import load_existing_settings

MOST = 100  # names that are offered


def complete_from(names: Select[str]) -> Completer:
    """Return a function that completes the names of a query with one column."""

    def complete(_ctx: click.Context, _param: click.Parameter, typed: str) -> list[CompletionItem]:
        try:
            return [CompletionItem(name) for name in _find(names, typed)]
        except Exception:  # a shell shows an error in the middle of the line
            return []

    return complete


def _find(names: Select[str], typed: str) -> list[str]:
    column = names.selected_columns[0]
    matching = names.where(column.startswith(typed, autoescape=True)).order_by(column).limit(MOST)
    engine = create_engine(load_existing_settings().database_url)
    try:
        with engine.connect() as connection:
            return [name for name in connection.execute(matching).scalars() if name.isprintable() and " " not in name]
    finally:
        engine.dispose()


USERS = complete_from(select(User.username))
USER_ROLES = complete_from(select(Role.name).where(Role.type == "user"))
MACHINE_ROLES = complete_from(select(Role.name).where(Role.type == "machine"))
ROLES = complete_from(select(Role.name))
CLIENTS = complete_from(select(Client.client_id))
RESOURCES = complete_from(select(Resource.identifier))
PERMISSIONS = complete_from(select(Permission.name))
API_KEYS = complete_from(select(ApiKey.id).where(ApiKey.revoked_at.is_(None)))
TOKENS = complete_from(select(PersonalAccessToken.id).where(PersonalAccessToken.revoked_at.is_(None)))
IDENTITY_PROVIDERS = complete_from(select(IdentityProvider.id))
WEBHOOKS = complete_from(select(Webhook.id))
GRANTS = complete_from(select(AppGrant.id).where(AppGrant.revoked_at.is_(None)))
