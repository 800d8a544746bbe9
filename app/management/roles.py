"""/roles: bundles of permissions, for users or for machines."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import Schema, fields

from app.actions.directory.roles import NewRole, RoleChanges
from app.http.current import actions
from app.management.authorization import caller
from app.management.blueprint import Operations, PageQuery, gone, made, page_of, paged
from app.management.fields import Given, Listed, Moment, Name, Text, description, one_of

blueprint = Operations("roles", "Roles, for users or for machines")


class RoleSchema(Schema):
    """A role as it is shown."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    type = fields.String(required=True, metadata={"enum": ["user", "machine"]})
    description = fields.String(required=True)
    permissions = fields.List(fields.String(), required=True)
    created_at = Moment(required=True)


class NewRoleSchema(Given):
    """A role to be made; its type stays for ever."""

    makes = NewRole
    name = Name(required=True)
    type = one_of("user", "machine", required=True)
    description = description()
    permissions = Listed(Text())


class RoleChangesSchema(Given):
    """What changes of a role."""

    makes = RoleChanges
    name = Name()
    description = description()
    permissions = Listed(Text())


class RoleQuery(PageQuery):
    """Which roles to list."""

    name = Text()
    type = one_of("user", "machine")


@blueprint.get("/roles")
@blueprint.arguments(RoleQuery, location="query")
@blueprint.response(200, page_of(RoleSchema))
def list_roles(query: dict[str, Any]) -> Any:
    """List the roles"""
    return paged(actions().roles.page(**query))


@blueprint.post("/roles")
@blueprint.arguments(NewRoleSchema)
@blueprint.response(201, RoleSchema)
def create_role(new: NewRole) -> Any:
    """Make a role"""
    role = actions().roles.create(caller(), new)
    return made(role, f"/roles/{role.id}")


@blueprint.get("/roles/<row:role_id>")
@blueprint.response(200, RoleSchema)
def get_role(role_id: str) -> Any:
    """Show a role"""
    return actions().roles.get(role_id)


@blueprint.patch("/roles/<row:role_id>")
@blueprint.arguments(RoleChangesSchema)
@blueprint.response(200, RoleSchema)
def change_role(changes: RoleChanges, role_id: str) -> Any:
    """Change a role: all who have it feel it at once"""
    return actions().roles.change(caller(), role_id, changes)


@blueprint.delete("/roles/<row:role_id>")
@blueprint.response(204)
def delete_role(role_id: str) -> Response:
    """Delete a role: all who have it lose it at once"""
    actions().roles.delete(caller(), role_id)
    return gone()
