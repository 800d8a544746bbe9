"""/me/apps, /users/{id}/apps and /clients/{id}/grants: the apps that users allowed to act for them, and their end."""

from __future__ import annotations

from typing import Any

from app.actions.delegation.apps import AppView, GrantView
from app.actions.directory.fields import Status
from app.compose import Actions
from app.management.authorization import caller
from app.management.blueprint import Operations
from app.management.paging import PageQuery, answer_page, page_query, page_schema
from app.management.schemas import answer_schema

operations = Operations("app-grants", "Apps that act for users who allowed it, and their grants")

AppSchema = answer_schema(AppView)
GrantSchema = answer_schema(GrantView)
GrantQuery = page_query(status=Status)


@operations.get("/me/apps", page_schema(AppSchema), query=PageQuery)
def list_my_apps(actions: Actions, query: dict[str, Any]) -> Any:
    """List the apps that the user allowed"""
    return answer_page(actions.apps.page(caller().id, **query))


@operations.get("/me/apps/<row:app_id>", AppSchema)
def get_my_app(actions: Actions, app_id: str) -> Any:
    """Show one of the user's apps"""
    return actions.apps.get(caller().id, app_id)


@operations.delete("/me/apps/<row:app_id>")
def end_my_app(actions: Actions, app_id: str) -> None:
    """End an app of the user: its tokens are refused at once, and it has to ask again"""
    actions.apps.end(caller(), caller().id, app_id)


@operations.get("/users/<row:user_id>/apps", page_schema(AppSchema), query=PageQuery)
def list_user_apps(actions: Actions, query: dict[str, Any], user_id: str) -> Any:
    """List the apps that a user allowed"""
    actions.users.get(user_id)
    return answer_page(actions.apps.page(user_id, **query))


@operations.delete("/users/<row:user_id>/apps/<row:app_id>")
def end_user_app(actions: Actions, user_id: str, app_id: str) -> None:
    """End an app of a user: its tokens are refused at once, and it has to ask the user again"""
    actions.apps.end(caller(), user_id, app_id)


@operations.get("/clients/<row:row_id>/grants", page_schema(GrantSchema), query=GrantQuery)
def list_client_grants(actions: Actions, query: dict[str, Any], row_id: str) -> Any:
    """List the grants of a client, the newest first"""
    actions.clients.get(row_id)
    return answer_page(actions.apps.grants(client_row_id=row_id, **query))


@operations.delete("/clients/<row:row_id>/grants/<row:grant_id>")
def revoke_client_grant(actions: Actions, row_id: str, grant_id: str) -> None:
    """Revoke a grant with all its tokens; it stays listed"""
    actions.apps.end_grant(caller(), grant_id, row_id)
