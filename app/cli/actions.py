"""The actions as commands call them: on the configured database, without a server. Find objects by name or id."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from app import migrations
from app.actions.directory.clients import ClientView
from app.actions.directory.resources import ResourceView
from app.actions.directory.roles import RoleView
from app.actions.directory.users import UserView
from app.actions.limits.storage import key_limiter
from app.clock import system_clock
from app.compose import Actions, join
from app.database.store import Store
from app.errors import BadSettings, NotFound
from app.settings.load import NOT_SET_UP, load_existing_settings
from app.settings.settings import Settings

PAGE = 200
Item = TypeVar("Item")


def open_actions(settings: Settings | None = None) -> Actions:
    """Join the actions on the database. Raise BadSettings when it is missing, not migrated or newer than this code."""
    settings = settings or load_existing_settings()
    store = Store(create_engine(settings.database_url))
    try:
        with store.connection() as connection:
            state = migrations.state(connection)
            migrations.refuse_newer(migrations.revisions(connection))
    except SQLAlchemyError:
        raise BadSettings("the database cannot be used: `latchkey doctor` says why") from None
    if state != "current":
        raise BadSettings(NOT_SET_UP)
    return join(settings, store, system_clock, key_limiter(settings, store, system_clock))


def list_all(page: Callable[[int, str | None], tuple[list[Item], str | None]]) -> list[Item]:
    """Return a whole list, read page by page."""
    items, cursor = page(PAGE, None)
    while cursor is not None:
        more, cursor = page(PAGE, cursor)
        items += more
    return items


def find_user(actions: Actions, name: str) -> UserView:
    """Find a user by username or id. Raise NotFound."""
    return _find(actions.users.page(1, username=name)[0], actions.users.get, name, "user")


def find_role(actions: Actions, name: str) -> RoleView:
    """Find a role by name or id. Raise NotFound."""
    return _find(actions.roles.page(1, name=name)[0], actions.roles.get, name, "role")


def find_resource(actions: Actions, name: str) -> ResourceView:
    """Find an API resource by identifier or id. Raise NotFound."""
    return _find(actions.resources.page(1, identifier=name)[0], actions.resources.get, name, "resource")


def find_client(actions: Actions, name: str) -> ClientView:
    """Find a client by client_id or id. Raise NotFound."""
    return _find(actions.clients.page(1, client_id=name)[0], actions.clients.get, name, "client")


def _find(by_name: list[Item], get: Callable[[str], Item], name: str, kind: str) -> Item:
    if by_name:
        return by_name[0]
    try:
        return get(name)
    except NotFound:
        raise NotFound(f"there is no {kind} {name!r}") from None
