"""What roles give is read from the database at each call."""

import pytest

from app.access.rbac import grants_of_client, grants_of_roles, grants_of_user
from app.access.scopes import Grants, Scopes
from tests.core import ORDERS, STOCK, Core

pytestmark = pytest.mark.both_databases


def of_user(core: Core, username: str) -> Grants:
    with core.store.connection() as connection:
        return grants_of_user(connection, core.row_id(username))


def of_client(core: Core, client_id: str) -> Grants:
    with core.store.connection() as connection:
        return grants_of_client(connection, core.row_id(client_id))


def test_roles_add_up(core: Core) -> None:
    core.role("reader", "user", "orders:read")
    core.role("both", "user", "orders:read", "stock:read")
    core.user("bob", "reader", "both")
    assert of_user(core, "bob") == Grants({ORDERS: Scopes.of("orders:read"), STOCK: Scopes.of("stock:read")})


def test_without_a_role_nothing_is_given(core: Core) -> None:
    core.user("nobody")
    core.client("idle")
    assert of_user(core, "nobody") == Grants() == of_client(core, "idle")


def test_a_role_without_permissions_gives_nothing(core: Core) -> None:
    core.role("title", "machine")
    core.client("titled", "title")
    assert of_client(core, "titled") == Grants()


@pytest.mark.contract("user roles to users, machine roles to clients")
def test_users_and_clients_have_their_own(core: Core) -> None:
    assert of_user(core, "alice").scopes == of_client(core, "robot").scopes
    core.assign("alice")
    assert of_user(core, "alice") == Grants()
    assert of_client(core, "robot").audience == (ORDERS, STOCK)


def test_a_deleted_role_permission_or_resource_gives_nothing_any_more(core: Core) -> None:
    core.drop_permission("orders:write")
    assert "orders:write" not in of_user(core, "alice").scopes
    core.delete(ORDERS)
    assert of_user(core, "alice") == Grants({STOCK: Scopes.of("stock:read")})
    core.drop_role("clerk")
    assert of_user(core, "alice") == Grants()


def test_roles_can_be_weighed_before_anybody_has_them(core: Core) -> None:
    one, two = core.role("one", "user", "orders:read"), core.role("two", "machine", "stock:read")
    with core.store.reading() as session:
        assert grants_of_roles(session, []) == Grants()
        assert grants_of_roles(session, [one]) == Grants({ORDERS: Scopes.of("orders:read")})
        assert grants_of_roles(session, [one, two]).scopes == Scopes.of("orders:read", "stock:read")
