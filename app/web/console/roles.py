"""/console/roles: roles, and the permissions that each of them gives."""

from __future__ import annotations

from typing import cast, get_args

from flask import url_for
from werkzeug.wrappers import Response

from app.actions.audit.actor import MANAGE
from app.actions.directory.roles import NewRole, RoleChanges, RoleType, RoleView
from app.compose import Actions
from app.errors import LatchkeyError
from app.web.console.confirmation import ask, ask_to_resend, is_confirmed
from app.web.form import Refusal, read_choice, read_name, read_selection, read_text, render_form, sent_values
from app.web.lists import PAGE, next_page, read_cursor, read_filter
from app.web.page_routes import PageRoutes
from app.web.pages import redirect_with_message, render_page
from app.web.visitors import actor, require_operator

TYPES: tuple[RoleType, ...] = get_args(RoleType)
LOSES_MANAGE = "You have manage by this role alone: without it you cannot come into the console again."

routes = PageRoutes("console_roles", "/console/roles", guard=require_operator)


@routes.get("")
def index(actions: Actions) -> Response:
    """List the roles, perhaps of one type."""
    role_type = read_filter("type", TYPES)
    roles, cursor = actions.roles.page(PAGE, read_cursor(), type=role_type)
    onward = next_page(cursor, type=role_type)
    return render_page("console/roles.html", roles=roles, type=role_type, types=TYPES, next_page=onward)


@routes.get("/new")
def new(actions: Actions) -> Response:
    """Show the form for a new role."""
    return _render_new(actions)


@routes.post("")
def create(actions: Actions) -> Response:
    """Create a role."""
    try:
        role_type = cast(RoleType, read_choice("type", *TYPES))
        new_role = NewRole(read_name("name"), role_type, read_text("description"), read_selection("permissions"))
        role = actions.roles.create(actor(actions), new_role)
    except LatchkeyError as error:
        return _render_new(actions, Refusal.of(error, duplicate="name"))
    message = f"The role {role.name} is there: give it to a {role.type} next."
    return redirect_with_message(message, ".show", role_id=role.id)


@routes.get("/<row:role_id>")
def show(actions: Actions, role_id: str) -> Response:
    """Show a role and its permissions."""
    return _render_role(actions, actions.roles.get(role_id))


@routes.post("/<row:role_id>")
def change(actions: Actions, role_id: str) -> Response:
    """Change a role and its permissions; ask first where operators would lock themselves out."""
    role = actions.roles.get(role_id)
    try:
        permissions = read_selection("permissions")
        changes = RoleChanges(read_name("name"), read_text("description"), permissions)
        if not is_confirmed() and _locks_out(actions, role, permissions):
            return ask_to_resend("Take manage from yourself?", LOSES_MANAGE, "Save all the same", _page(role_id))
        actions.roles.change(actor(actions), role_id, changes)
    except LatchkeyError as error:
        return _render_role(actions, role, Refusal.of(error, duplicate="name"))
    message = "The role is changed, with effect at once for all who have it."
    return redirect_with_message(message, ".show", role_id=role_id)


@routes.get("/<row:role_id>/delete")
def ask_to_delete(actions: Actions, role_id: str) -> Response:
    """Ask before a role is deleted."""
    role = actions.roles.get(role_id)
    warning = LOSES_MANAGE if _locks_out(actions, role, ()) else "Whoever has this role loses at once what it gives."
    return ask("Delete", role.name, f"{warning} It is lost by:", _page(role_id), actions.consequences.of_role(role_id))


@routes.post("/<row:role_id>/delete")
def delete(actions: Actions, role_id: str) -> Response:
    """Delete a role."""
    actions.roles.delete(actor(actions), role_id)
    return redirect_with_message("The role is deleted: nobody has it any more.", ".index")


def _page(role_id: str) -> str:
    return url_for(".show", role_id=role_id)


def _locks_out(actions: Actions, role: RoleView, left: tuple[str, ...]) -> bool:
    """Return whether the visitor has `manage` by this role alone, and not with the permissions that are left."""
    if MANAGE not in role.permissions or MANAGE in left or role.type != "user":
        return False
    return not actions.choices.keeps(actor(actions).id, MANAGE, without_role=role.id)


def _render_new(actions: Actions, refusal: Refusal | None = None) -> Response:
    permissions = sent_values("permissions")
    offer = actions.choices.permissions(permissions)
    return render_form("console/role_new.html", refusal, offer=offer, picked=permissions, types=TYPES)


def _render_role(actions: Actions, role: RoleView, refusal: Refusal | None = None) -> Response:
    permissions = sent_values("permissions") if refusal else list(role.permissions)
    offer = actions.choices.permissions({*permissions, *role.permissions})
    return render_form("console/role.html", refusal, role=role, offer=offer, picked=permissions)
