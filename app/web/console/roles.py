"""/console/roles: bundles of permissions, each a matrix of boxes."""

from __future__ import annotations

from typing import cast

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.audit.actor import MANAGE
from app.actions.directory.roles import NewRole, RoleChanges, RoleType, RoleView
from app.errors import LatchkeyError
from app.http.current import actions
from app.web.console.confirmation import ask, ask_again, sure
from app.web.console.selections import by_field, one_of, picked, sent
from app.web.form import PAGE, after, read_name, text
from app.web.page_routes import Room, actor, done, show, status_of

TYPES = ("user", "machine")
LOSES_MANAGE = "You have manage by this role alone: without it you cannot come into the console again."

blueprint = Room("console_roles", "/console/roles", operators=True)


@blueprint.get("")
def index() -> Response:
    """List the roles."""
    asked = request.args.get("type", "")
    type = cast(RoleType, asked) if asked in TYPES else None
    found, last = actions().roles.page(PAGE, after(), type=type)
    onward = url_for(".index", after=last, type=type) if last else None
    return show("console/roles.html", roles=found, type=type, types=TYPES, onward=onward)


@blueprint.get("/new")
def new() -> Response:
    """Ask what a new role shall be."""
    return _form()


@blueprint.post("")
def create() -> Response:
    """Make a role."""
    try:
        type = cast(RoleType, one_of("type", *TYPES))
        role = actions().roles.create(
            actor(), NewRole(read_name("name"), type, text("description"), picked("permissions"))
        )
    except LatchkeyError as error:
        return _form(status_of(error), by_field(error, "name"))
    return done(f"The role {role.name} is there: give it to a {role.type} next.", ".one", role_id=role.id)


@blueprint.get("/<row:role_id>")
def one(role_id: str) -> Response:
    """Show a role and the matrix of its permissions."""
    return _one(actions().roles.get(role_id))


@blueprint.post("/<row:role_id>")
def change(role_id: str) -> Response:
    """Rename and describe a role, and set its permissions; who would lock themself out is asked once."""
    role = actions().roles.get(role_id)
    try:
        permissions = picked("permissions")
        changes = RoleChanges(read_name("name"), text("description"), permissions)
        if not sure() and _locks_out(role, permissions):
            return ask_again("Take manage from yourself?", LOSES_MANAGE, "Save all the same", _place(role_id))
        actions().roles.change(actor(), role_id, changes)
    except LatchkeyError as error:
        return _one(role, status_of(error), by_field(error, "name"))
    return done("The role is changed: all who have it feel it at once.", ".one", role_id=role_id)


@blueprint.get("/<row:role_id>/delete")
def ask_to_delete(role_id: str) -> Response:
    """Say how many lose a role."""
    role = actions().roles.get(role_id)
    said = "Whoever has this role loses at once what it gives. It is lost by:"
    if _locks_out(role, ()):
        said = f"{LOSES_MANAGE} It is lost by:"
    losses = actions().consequences.of_role(role_id)
    return ask(f"Delete {role.name}?", said, "Delete", url_for(".delete", role_id=role_id), _place(role_id), losses)


@blueprint.post("/<row:role_id>/delete")
def delete(role_id: str) -> Response:
    """Delete a role."""
    actions().roles.delete(actor(), role_id)
    return done("The role is deleted: nobody has it any more.", ".index")


def _place(role_id: str) -> str:
    return url_for(".one", role_id=role_id)


def _locks_out(role: RoleView, left: tuple[str, ...]) -> bool:
    """Tell whether the visitor manages by this role alone, and not by what is left of it."""
    if MANAGE not in role.permissions or MANAGE in left or role.type != "user":
        return False
    return not actions().choices.keeps(actor().id, MANAGE, without_role=role.id)


def _form(status: int = 200, errors: dict[str, str] | None = None) -> Response:
    ticks = sent("permissions")
    return show(
        "console/role_new.html",
        status,
        offer=actions().choices.permissions(ticks),
        picked=ticks,
        given=request.form,
        types=TYPES,
        errors=errors or {},
    )


def _one(role: RoleView, status: int = 200, errors: dict[str, str] | None = None) -> Response:
    ticks = sent("permissions") if errors else list(role.permissions)
    return show(
        "console/role.html",
        status,
        role=role,
        offer=actions().choices.permissions({*ticks, *role.permissions}),
        picked=ticks,
        given=request.form,
        errors=errors or {},
    )
