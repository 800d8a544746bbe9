"""/resources: API resources and the permissions that they define."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from flask import Response
from marshmallow import Schema, fields

from app.actions.directory.fields import LONGEST_IDENTIFIER
from app.actions.directory.resources import (
    DEFAULT_TTL,
    LONGEST_TTL,
    SHORTEST_TTL,
    NewPermission,
    NewResource,
    PermissionChanges,
    ResourceChanges,
)
from app.http.current import actions
from app.management.authorization import caller
from app.management.blueprint import Operations, PageQuery, gone, made, page_of, paged
from app.management.fields import Flag, Given, Listed, Moment, Name, Text, Whole, description

blueprint = Operations("resources", "API resources, and the permissions they define")


class PermissionSchema(Schema):
    """A permission as it is shown; its name is the scope string."""

    name = fields.String(required=True)
    description = fields.String(required=True)
    public = fields.Boolean(required=True)


class ResourceSchema(Schema):
    """A resource as it is shown."""

    id = fields.String(required=True)
    identifier = fields.String(required=True)
    name = fields.String(required=True)
    access_token_ttl = fields.Integer(required=True, metadata={"description": "seconds"})
    permissions = fields.List(fields.Nested(PermissionSchema), required=True)
    built_in = fields.Boolean(required=True, metadata={"description": "the management API itself"})
    created_at = Moment(required=True)


class NewPermissionSchema(Given):
    """A permission to be defined; its name is unique on the whole server."""

    makes = NewPermission
    name = Text(required=True)
    description = description()
    public = Flag(metadata={"description": "whether API keys may carry it", "default": False})


class PermissionChangesSchema(Given):
    """What changes of a permission."""

    makes = PermissionChanges
    name = Text()
    description = description()
    public = Flag()


class NewResourceSchema(Given):
    """A resource to be defined."""

    makes = NewResource
    identifier = Text(LONGEST_IDENTIFIER, required=True, metadata={"description": "absolute URI without fragment"})
    name = Name(required=True)
    access_token_ttl = Whole(SHORTEST_TTL, LONGEST_TTL, metadata={"description": "seconds", "default": DEFAULT_TTL})
    permissions = Listed(fields.Nested(NewPermissionSchema))


class ResourceChangesSchema(Given):
    """What changes of a resource."""

    makes = ResourceChanges
    identifier = Text(LONGEST_IDENTIFIER)
    name = Name()
    access_token_ttl = Whole(SHORTEST_TTL, LONGEST_TTL)


class ResourceQuery(PageQuery):
    """Which resources to list."""

    identifier = Text(LONGEST_IDENTIFIER)


@blueprint.get("/resources")
@blueprint.arguments(ResourceQuery, location="query")
@blueprint.response(200, page_of(ResourceSchema))
def list_resources(query: dict[str, Any]) -> Any:
    """List the API resources"""
    return paged(actions().resources.page(**query))


@blueprint.post("/resources")
@blueprint.arguments(NewResourceSchema)
@blueprint.response(201, ResourceSchema)
def create_resource(new: NewResource) -> Any:
    """Define an API resource"""
    resource = actions().resources.create(caller(), new)
    return made(resource, f"/resources/{resource.id}")


@blueprint.get("/resources/<row:resource_id>")
@blueprint.response(200, ResourceSchema)
def get_resource(resource_id: str) -> Any:
    """Show an API resource"""
    return actions().resources.get(resource_id)


@blueprint.patch("/resources/<row:resource_id>")
@blueprint.arguments(ResourceChangesSchema)
@blueprint.response(200, ResourceSchema)
def change_resource(changes: ResourceChanges, resource_id: str) -> Any:
    """Change an API resource"""
    return actions().resources.change(caller(), resource_id, changes)


@blueprint.delete("/resources/<row:resource_id>")
@blueprint.response(204)
def delete_resource(resource_id: str) -> Response:
    """Delete an API resource with its permissions; its API keys are revoked"""
    actions().resources.delete(caller(), resource_id)
    return gone()


@blueprint.get("/resources/<row:resource_id>/permissions")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, page_of(PermissionSchema))
def list_permissions(query: dict[str, Any], resource_id: str) -> Any:
    """List the permissions of an API resource"""
    return paged(actions().resources.permissions(resource_id, **query))


@blueprint.post("/resources/<row:resource_id>/permissions")
@blueprint.arguments(NewPermissionSchema)
@blueprint.response(201, PermissionSchema)
def create_permission(new: NewPermission, resource_id: str) -> Any:
    """Define a further permission"""
    permission = actions().resources.add_permission(caller(), resource_id, new)
    return made(permission, f"/resources/{resource_id}/permissions/{quote(permission.name, safe=':')}")


@blueprint.get("/resources/<row:resource_id>/permissions/<scope:name>")
@blueprint.response(200, PermissionSchema)
def get_permission(resource_id: str, name: str) -> Any:
    """Show a permission"""
    return actions().resources.permission(resource_id, name)


@blueprint.patch("/resources/<row:resource_id>/permissions/<scope:name>")
@blueprint.arguments(PermissionChangesSchema)
@blueprint.response(200, PermissionSchema)
def change_permission(changes: PermissionChanges, resource_id: str, name: str) -> Any:
    """Rename, describe, publish or withdraw a permission"""
    return actions().resources.change_permission(caller(), resource_id, name, changes)


@blueprint.delete("/resources/<row:resource_id>/permissions/<scope:name>")
@blueprint.response(204)
def delete_permission(resource_id: str, name: str) -> Response:
    """Delete a permission: every role, key and token loses it at once"""
    actions().resources.delete_permission(caller(), resource_id, name)
    return gone()
