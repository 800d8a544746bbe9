"""/console/resources: the APIs that are protected, and the permissions they define."""

from __future__ import annotations

from flask import request, url_for
from werkzeug.wrappers import Response

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
from app.errors import Invalid, LatchkeyError
from app.http.current import actions
from app.web.console.asking import ask
from app.web.console.given import by_field
from app.web.form import PAGE, after, line, read_name, text, ticked, whole
from app.web.room import Room, actor, done, show, status_of

blueprint = Room("console_resources", "/console/resources", operators=True)


@blueprint.get("")
def index() -> Response:
    """List the API resources."""
    found, last = actions().resources.page(PAGE, after())
    onward = url_for(".index", after=last) if last else None
    return show("console/resources.html", resources=found, onward=onward)


@blueprint.get("/new")
def new() -> Response:
    """Ask what a new API resource shall be."""
    return _form()


@blueprint.post("")
def create() -> Response:
    """Define an API resource."""
    try:
        wanted = NewResource(line("identifier", LONGEST_IDENTIFIER), read_name("name"), _ttl())
        resource = actions().resources.create(actor(), wanted)
    except LatchkeyError as error:
        return _form(status_of(error), by_field(error, "identifier"))
    return done("The API resource is there: add the permissions it asks for.", ".one", resource_id=resource.id)


@blueprint.get("/<row:resource_id>")
def one(resource_id: str) -> Response:
    """Show an API resource and its permissions."""
    return _one(resource_id)


@blueprint.post("/<row:resource_id>")
def change(resource_id: str) -> Response:
    """Rename an API resource, or change how long its tokens live."""
    try:
        actions().resources.change(
            actor(), resource_id, ResourceChanges(name=read_name("name"), access_token_ttl=_ttl())
        )
    except Invalid as error:
        return _one(resource_id, status_of(error), by_field(error, "name"))
    return done("The API resource is changed.", ".one", resource_id=resource_id)


@blueprint.get("/<row:resource_id>/delete")
def ask_to_delete(resource_id: str) -> Response:
    """Say what goes with an API resource."""
    resource = actions().resources.get(resource_id)
    return ask(
        f"Delete {resource.name}?",
        f"No token and no key opens {resource.identifier} any more, at once and for good. With it go, or lose it:",
        "Delete",
        url_for(".delete", resource_id=resource_id),
        url_for(".one", resource_id=resource_id),
        actions().consequences.of_resource(resource_id),
    )


@blueprint.post("/<row:resource_id>/delete")
def delete(resource_id: str) -> Response:
    """Delete an API resource."""
    actions().resources.delete(actor(), resource_id)
    return done("The API resource is deleted, and its API keys are revoked.", ".index")


@blueprint.post("/<row:resource_id>/permissions")
def add_permission(resource_id: str) -> Response:
    """Define a further permission; its fields stand beside those of the resource, so they have names of their own."""
    try:
        wanted = NewPermission(line("permission"), text("description"), ticked("public"))
        actions().resources.add_permission(actor(), resource_id, wanted)
    except LatchkeyError as error:
        errors = by_field(error, "permission")
        return _one(resource_id, status_of(error), adding=_renamed(errors, "name", "permission"))
    return done(f"The permission {wanted.name} is there.", ".one", resource_id=resource_id)


@blueprint.get("/<row:resource_id>/permission")
def permission(resource_id: str) -> Response:
    """Show a permission; its name is in the query, for it may hold slashes."""
    return _permission(resource_id, request.args.get("permission", ""))


@blueprint.post("/<row:resource_id>/permission")
def change_permission(resource_id: str) -> Response:
    """Rename a permission, describe it, let API keys carry it or not."""
    present = request.form.get("permission", "")
    try:
        changes = PermissionChanges(read_name("name"), text("description"), ticked("public"))
        actions().resources.change_permission(actor(), resource_id, present, changes)
    except LatchkeyError as error:
        return _permission(resource_id, present, status_of(error), by_field(error, "name"))
    return done("The permission is changed.", ".one", resource_id=resource_id)


@blueprint.get("/<row:resource_id>/permission/delete")
def ask_to_delete_permission(resource_id: str) -> Response:
    """Say who loses a permission."""
    found = actions().resources.permission(resource_id, request.args.get("permission", ""))
    return ask(
        f"Delete {found.name}?",
        "Every role, key and token loses this permission at once. It is carried by:",
        "Delete",
        url_for(".delete_permission", resource_id=resource_id, permission=found.name),
        url_for(".one", resource_id=resource_id),
        actions().consequences.of_permission(found.name),
    )


@blueprint.post("/<row:resource_id>/permission/delete")
def delete_permission(resource_id: str) -> Response:
    """Delete a permission."""
    actions().resources.delete_permission(actor(), resource_id, request.args.get("permission", ""))
    return done("The permission is deleted.", ".one", resource_id=resource_id)


def _ttl() -> int:
    seconds = whole("access_token_ttl", SHORTEST_TTL, LONGEST_TTL)
    return DEFAULT_TTL if seconds is None else seconds


def _renamed(errors: dict[str, str], old: str, new: str) -> dict[str, str]:
    return {new if field == old else field: said for field, said in errors.items()}


def _form(status: int = 200, errors: dict[str, str] | None = None) -> Response:
    return show("console/resource_new.html", status, given=request.form, default_ttl=DEFAULT_TTL, errors=errors or {})


def _one(
    resource_id: str, status: int = 200, errors: dict[str, str] | None = None, adding: dict[str, str] | None = None
) -> Response:
    """Show a resource; `errors` are of the form that changes it, `adding` of the one that adds a permission."""
    resource = actions().resources.get(resource_id)
    given = {} if adding is not None else request.form
    added = {} if adding is None else request.form
    return show(
        "console/resource.html",
        status,
        resource=resource,
        given=given,
        added=added,
        errors=errors or {},
        adding=adding or {},
    )


def _permission(resource_id: str, name: str, status: int = 200, errors: dict[str, str] | None = None) -> Response:
    return show(
        "console/permission.html",
        status,
        resource=actions().resources.get(resource_id),
        permission=actions().resources.permission(resource_id, name),
        given=request.form,
        errors=errors or {},
    )
