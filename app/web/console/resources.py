"""/console/resources: the APIs that tokens and keys open, and the permissions they define."""

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
    ResourceActions,
    ResourceChanges,
)
from app.compose import Actions
from app.errors import Invalid, LatchkeyError
from app.web import form, pages
from app.web.console.confirmation import ask
from app.web.console.list_page import ListPage
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_operator

PERMISSION = "permission"  # the form that adds one, and its field for the name: the page has another "name"
COLUMNS = ("id", "name", "identifier", "access_token_ttl", "permissions", "built_in", "created_at")
LIST = ListPage("resources", ResourceActions.sorts, (), COLUMNS)

routes = PageRoutes("console_resources", "/console/resources", guard=require_operator)


@routes.get("")
def index(actions: Actions) -> Response:
    """List the API resources, newest first unless another order is chosen."""
    return LIST.render(actions.resources.search(LIST.read()))


@routes.get("/export.csv")
def export_csv(actions: Actions) -> Response:
    """Return what the list shows as a file."""
    return LIST.export(actions.resources.search, actions.clock())


@routes.get("/new")
def new(actions: Actions) -> Response:
    """Show the form for a new API resource."""
    return _render_new()


@routes.post("")
def create(actions: Actions) -> Response:
    """Create an API resource."""
    try:
        wanted = NewResource(form.read_line("identifier", LONGEST_IDENTIFIER), form.read_name("name"), _read_ttl())
        resource = actions.resources.create(actor(actions), wanted)
    except LatchkeyError as error:
        return _render_new(form.Refusal.of(error, duplicate="identifier"))
    message = "The API resource is created: add the permissions it asks for."
    return pages.redirect_with(message, ".show", resource_id=resource.id)


@routes.get("/<row:resource_id>")
def show(actions: Actions, resource_id: str) -> Response:
    """Show an API resource and its permissions."""
    return _render_resource(actions, resource_id)


@routes.post("/<row:resource_id>")
def change(actions: Actions, resource_id: str) -> Response:
    """Change the name of an API resource, or how long its tokens are valid."""
    try:
        changes = ResourceChanges(name=form.read_name("name"), access_token_ttl=_read_ttl())
        actions.resources.change(actor(actions), resource_id, changes)
    except Invalid as error:
        return _render_resource(actions, resource_id, form.Refusal.of(error))
    return pages.redirect_with("The API resource is changed.", ".show", resource_id=resource_id)


@routes.get("/<row:resource_id>/delete")
def ask_to_delete(actions: Actions, resource_id: str) -> Response:
    """Ask before an API resource is deleted."""
    resource = actions.resources.get(resource_id)
    warning = f"No token and no key opens {resource.identifier} any more, at once and for good. With it go, or lose it:"
    return ask("Delete", resource.name, warning, _page(resource_id), actions.consequences.of_resource(resource_id))


@routes.post("/<row:resource_id>/delete")
def delete(actions: Actions, resource_id: str) -> Response:
    """Delete an API resource."""
    actions.resources.delete(actor(actions), resource_id)
    return pages.redirect_with("The API resource is deleted, and its API keys are revoked.", ".index")


@routes.post("/<row:resource_id>/permissions")
def add_permission(actions: Actions, resource_id: str) -> Response:
    """Define a further permission."""
    try:
        wanted = NewPermission(form.read_line(PERMISSION), form.read_text("description"), form.is_checked("public"))
        actions.resources.add_permission(actor(actions), resource_id, wanted)
    except LatchkeyError as error:
        refusal = form.Refusal.of(error, form=PERMISSION, duplicate=PERMISSION, rename={"name": PERMISSION})
        return _render_resource(actions, resource_id, refusal)
    return pages.redirect_with(f"The permission {wanted.name} is created.", ".show", resource_id=resource_id)


@routes.get("/<row:resource_id>/permission")
def show_permission(actions: Actions, resource_id: str) -> Response:
    """Show a permission; its name is in the query, for it may hold slashes."""
    return _render_permission(actions, resource_id, request.args.get(PERMISSION, ""))


@routes.post("/<row:resource_id>/permission")
def change_permission(actions: Actions, resource_id: str) -> Response:
    """Change the name and the description of a permission, and whether it is public."""
    current_name = request.form.get(PERMISSION, "")
    try:
        changes = PermissionChanges(form.read_name("name"), form.read_text("description"), form.is_checked("public"))
        actions.resources.change_permission(actor(actions), resource_id, current_name, changes)
    except LatchkeyError as error:
        return _render_permission(actions, resource_id, current_name, form.Refusal.of(error, duplicate="name"))
    return pages.redirect_with("The permission is changed.", ".show", resource_id=resource_id)


@routes.get("/<row:resource_id>/permission/delete")
def ask_to_delete_permission(actions: Actions, resource_id: str) -> Response:
    """Ask before a permission is deleted."""
    name = actions.resources.permission(resource_id, request.args.get(PERMISSION, "")).name
    warning = "Every role, key and token loses this permission at once. It is carried by:"
    losses = actions.consequences.of_permission(name)
    return ask("Delete", name, warning, _page(resource_id), losses, permission=name)


@routes.post("/<row:resource_id>/permission/delete")
def delete_permission(actions: Actions, resource_id: str) -> Response:
    """Delete a permission."""
    actions.resources.delete_permission(actor(actions), resource_id, request.args.get(PERMISSION, ""))
    return pages.redirect_with("The permission is deleted.", ".show", resource_id=resource_id)


def _page(resource_id: str) -> str:
    return url_for(".show", resource_id=resource_id)


def _read_ttl() -> int:
    seconds = form.read_duration("access_token_ttl", SHORTEST_TTL, LONGEST_TTL)
    return DEFAULT_TTL if seconds is None else seconds


def _render_new(refusal: form.Refusal | None = None) -> Response:
    return form.render("console/resource_new.html", refusal, default_ttl=DEFAULT_TTL)


def _render_resource(actions: Actions, resource_id: str, refusal: form.Refusal | None = None) -> Response:
    resource, errors = actions.resources.get(resource_id), form.errors_of(refusal, PERMISSION)
    return form.render("console/resource.html", refusal, resource=resource, permission_errors=errors)


def _render_permission(actions: Actions, resource_id: str, name: str, refusal: form.Refusal | None = None) -> Response:
    resource, permission = actions.resources.get(resource_id), actions.resources.permission(resource_id, name)
    return form.render("console/permission.html", refusal, resource=resource, permission=permission)
