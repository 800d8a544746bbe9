"""/resources: API resources and the permissions that they define."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from app.actions.directory.fields import Identifier
from app.actions.directory.resources import (
    NewPermission,
    NewResource,
    PermissionChanges,
    PermissionView,
    ResourceChanges,
    ResourceView,
)
from app.compose import Actions
from app.management.authorization import caller
from app.management.blueprint import Operations, answer_created
from app.management.paging import PageQuery, answer_page, page_query, page_schema
from app.management.schemas import answer_schema, nested_answer, nested_request, request_schema

operations = Operations("resources", "API resources, and the permissions they define")

PermissionSchema = nested_answer(PermissionView)
ResourceSchema = answer_schema(ResourceView)
NewPermissionSchema = nested_request(NewPermission)
PermissionChangesSchema = request_schema(PermissionChanges)
NewResourceSchema = request_schema(NewResource)
ResourceChangesSchema = request_schema(ResourceChanges)
ResourceQuery = page_query(identifier=Identifier)


@operations.get("/resources", page_schema(ResourceSchema), query=ResourceQuery)
def list_resources(actions: Actions, query: dict[str, Any]) -> Any:
    """List the API resources"""
    return answer_page(actions.resources.page(**query))


@operations.post("/resources", ResourceSchema, body=NewResourceSchema)
def create_resource(actions: Actions, new: NewResource) -> Any:
    """Define an API resource"""
    resource = actions.resources.create(caller(), new)
    return answer_created(actions, resource, f"/resources/{resource.id}")


@operations.get("/resources/<row:resource_id>", ResourceSchema)
def get_resource(actions: Actions, resource_id: str) -> Any:
    """Show an API resource"""
    return actions.resources.get(resource_id)


@operations.patch("/resources/<row:resource_id>", ResourceSchema, body=ResourceChangesSchema)
def change_resource(actions: Actions, changes: ResourceChanges, resource_id: str) -> Any:
    """Change an API resource"""
    return actions.resources.change(caller(), resource_id, changes)


@operations.delete("/resources/<row:resource_id>")
def delete_resource(actions: Actions, resource_id: str) -> None:
    """Delete an API resource with its permissions; its API keys are revoked"""
    actions.resources.delete(caller(), resource_id)


@operations.get("/resources/<row:resource_id>/permissions", page_schema(PermissionSchema), query=PageQuery)
def list_permissions(actions: Actions, query: dict[str, Any], resource_id: str) -> Any:
    """List the permissions of an API resource"""
    return answer_page(actions.resources.permissions(resource_id, **query))


@operations.post("/resources/<row:resource_id>/permissions", PermissionSchema, body=NewPermissionSchema)
def create_permission(actions: Actions, new: NewPermission, resource_id: str) -> Any:
    """Define a further permission"""
    permission = actions.resources.add_permission(caller(), resource_id, new)
    return answer_created(
        actions, permission, f"/resources/{resource_id}/permissions/{quote(permission.name, safe=':')}"
    )


@operations.get("/resources/<row:resource_id>/permissions/<scope:name>", PermissionSchema)
def get_permission(actions: Actions, resource_id: str, name: str) -> Any:
    """Show a permission"""
    return actions.resources.permission(resource_id, name)


@operations.patch(
    "/resources/<row:resource_id>/permissions/<scope:name>", PermissionSchema, body=PermissionChangesSchema
)
def change_permission(actions: Actions, changes: PermissionChanges, resource_id: str, name: str) -> Any:
    """Rename, describe, publish or withdraw a permission"""
    return actions.resources.change_permission(caller(), resource_id, name, changes)


@operations.delete("/resources/<row:resource_id>/permissions/<scope:name>")
def delete_permission(actions: Actions, resource_id: str, name: str) -> None:
    """Delete a permission: every role, key and token loses it at once"""
    actions.resources.delete_permission(caller(), resource_id, name)
