"""/roles: bundles of permissions, for users or for machines."""

from __future__ import annotations

from typing import Any

from app.actions.directory.fields import Word
from app.actions.directory.roles import NewRole, RoleChanges, RoleType, RoleView
from app.compose import Actions
from app.management.authorization import caller
from app.management.blueprint import Operations, answer_created
from app.management.paging import answer_page, page_query, page_schema
from app.management.schemas import answer_schema, request_schema

operations = Operations("roles", "Roles, for users or for machines")

RoleSchema = answer_schema(RoleView)
NewRoleSchema = request_schema(NewRole)
RoleChangesSchema = request_schema(RoleChanges)
RoleQuery = page_query(name=Word, type=RoleType)


@operations.get("/roles", page_schema(RoleSchema), query=RoleQuery)
def list_roles(actions: Actions, query: dict[str, Any]) -> Any:
    """List the roles"""
    return answer_page(actions.roles.page(**query))


@operations.post("/roles", RoleSchema, body=NewRoleSchema)
def create_role(actions: Actions, new: NewRole) -> Any:
    """Make a role"""
    role = actions.roles.create(caller(), new)
    return answer_created(actions, role, f"/roles/{role.id}")


@operations.get("/roles/<row:role_id>", RoleSchema)
def get_role(actions: Actions, role_id: str) -> Any:
    """Show a role"""
    return actions.roles.get(role_id)


@operations.patch("/roles/<row:role_id>", RoleSchema, body=RoleChangesSchema)
def change_role(actions: Actions, changes: RoleChanges, role_id: str) -> Any:
    """Change a role: all who have it feel it at once"""
    return actions.roles.change(caller(), role_id, changes)


@operations.delete("/roles/<row:role_id>")
def delete_role(actions: Actions, role_id: str) -> None:
    """Delete a role: all who have it lose it at once"""
    actions.roles.delete(caller(), role_id)
