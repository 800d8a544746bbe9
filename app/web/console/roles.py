"""/console/roles: roles, and the permissions that each of them gives."""

from __future__ import annotations

from functools import partial
from typing import cast, get_args

from flask import url_for
from werkzeug.wrappers import Response

from app.actions.audit.actor import MANAGE
from app.actions.directory.roles import NewRole, RoleActions, RoleChanges, RoleType, RoleView
from app.actions.directory.rows import Found, ListQuery
from app.compose import Actions
from app.errors import LatchkeyError
from app.web import form, lists, pages
from app.web.console.confirmation import ask, ask_to_resend, is_confirmed
from app.web.console.links import page_of
from app.web.console.list_page import ListPage, read_choice
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_operator

TYPES: tuple[RoleType, ...] = get_args(RoleType)
OWNERS: dict[RoleType, str] = {"user": "user", "machine": "client"}  # who can have a role
LOSES_MANAGE = "You have manage by this role alone: without it you cannot come into the console again."
COLUMNS = ("id", "name", "type", "description", "permissions", "created_at")
LIST = ListPage("roles", RoleActions.sorts, ("type",), COLUMNS)

routes = PageRoutes("console_roles", "/console/roles", guard=require_operator)


@routes.get("")
def index(actions: Actions) -> Response:
    """List the roles, newest first unless another order is chosen."""
    return LIST.render(_find(actions, LIST.read()), types=TYPES)


@routes.get("/export.csv")
def export_csv(actions: Actions) -> Response:
    """Return what the list shows as a file."""
    return LIST.export(partial(_find, actions), actions.clock())


@routes.get("/new")
def new(actions: Actions) -> Response:
    """Show the form for a new role."""
    return _render_new(actions)


@routes.post("")
def create(actions: Actions) -> Response:
    """Create a role."""
    try:
        role_type = cast(RoleType, form.read_choice("type", *TYPES))
        new_role = NewRole(
            form.read_name("name"), role_type, form.read_text("description"), form.read_selection("permissions")
        )
        role = actions.roles.create(actor(actions), new_role)
    except LatchkeyError as error:
        return _render_new(actions, form.Refusal.of(error, duplicate="name"))
    message = f"The role {role.name} is created: give it to a {role.type} next."
    return pages.redirect_with(message, ".show", role_id=role.id)


@routes.get("/<row:role_id>")
def show(actions: Actions, role_id: str) -> Response:
    """Show a role, its permissions and its members."""
    return _render_role(actions, actions.roles.get(role_id))


@routes.post("/<row:role_id>")
def change(actions: Actions, role_id: str) -> Response:
    """Change a role and its permissions; ask first where operators would lock themselves out."""
    role = actions.roles.get(role_id)
    try:
        permissions = form.read_selection("permissions")
        changes = RoleChanges(form.read_name("name"), form.read_text("description"), permissions)
        if not is_confirmed() and _locks_out(actions, role, permissions):
            return ask_to_resend("Take manage from yourself?", LOSES_MANAGE, "Save all the same", _page(role_id))
        actions.roles.change(actor(actions), role_id, changes)
    except LatchkeyError as error:
        return _render_role(actions, role, form.Refusal.of(error, duplicate="name"))
    message = "The role is changed, with effect at once for all who have it."
    return pages.redirect_with(message, ".show", role_id=role_id)


@routes.get("/<row:role_id>/delete")
def ask_to_delete(actions: Actions, role_id: str) -> Response:
    """Ask before a role is deleted."""
    role = actions.roles.get(role_id)
    warning = LOSES_MANAGE if _locks_out(actions, role, ()) else "All who have this role lose at once what it gives."
    return ask("Delete", role.name, f"{warning} It is lost by:", _page(role_id), actions.consequences.of_role(role_id))


@routes.post("/<row:role_id>/delete")
def delete(actions: Actions, role_id: str) -> Response:
    """Delete a role."""
    actions.roles.delete(actor(actions), role_id)
    return pages.redirect_with("The role is deleted: nobody has it any more.", ".index")


def _find(actions: Actions, wanted: ListQuery) -> Found[RoleView]:
    return actions.roles.search(wanted, type=read_choice("type", TYPES))


def _page(role_id: str) -> str:
    return url_for(".show", role_id=role_id)


def _locks_out(actions: Actions, role: RoleView, left: tuple[str, ...]) -> bool:
    """Return whether the visitor has `manage` by this role alone, and not with the permissions that are left."""
    if MANAGE not in role.permissions or MANAGE in left or role.type != "user":
        return False
    return not actions.choices.keeps(actor(actions).id, MANAGE, without_role=role.id)


def _render_new(actions: Actions, refusal: form.Refusal | None = None) -> Response:
    permissions = form.sent_values("permissions")
    offer = actions.choices.permissions(permissions)
    return form.render("console/role_new.html", refusal, offer=offer, picked=permissions, types=TYPES)


def _render_role(actions: Actions, role: RoleView, refusal: form.Refusal | None = None) -> Response:
    permissions = form.sent_values("permissions") if refusal else list(role.permissions)
    members, cursor = actions.members.page(role.id, role.type, lists.PAGE, lists.read_cursor())
    return form.render(
        "console/role.html",
        refusal,
        role=role,
        offer=actions.choices.permissions({*permissions, *role.permissions}),
        picked=permissions,
        members=members,
        count=actions.members.count(role.id, role.type),
        kind=OWNERS[role.type],
        next_page=lists.next_page(cursor, ".show", role_id=role.id, _anchor="members"),
        page_of=page_of,
    )
