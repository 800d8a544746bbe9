"""/console/users: people, the roles they have, and their personal access tokens."""

from __future__ import annotations

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.audit.actor import MANAGE
from app.actions.directory.users import NewUser, UserChanges, UserView
from app.errors import Duplicate, Forbidden, LatchkeyError
from app.http.current import actions
from app.models.names import LONGEST_EMAIL, LONGEST_USERNAME
from app.web.console.confirmation import ask, ask_again, sure
from app.web.console.selections import by_field, picked, sent, sought
from app.web.form import PAGE, after, line, read_name, ticked
from app.web.page_routes import Room, actor, done, show, status_of, visitor

LOCKED_OUT = "This is you: without it you cannot come into the console again, until another operator helps."

blueprint = Room("console_users", "/console/users", operators=True)


@blueprint.get("")
def index() -> Response:
    """List the users, or those whose username begins as asked."""
    begins = sought()
    found, last = actions().users.page(PAGE, after(), begins=begins)
    onward = url_for(".index", after=last, q=begins) if last else None
    return show("console/users.html", users=found, q=begins or "", onward=onward)


@blueprint.get("/new")
def new() -> Response:
    """Ask who a new user is."""
    return _form()


@blueprint.post("")
def create() -> Response:
    """Make a user."""
    try:
        user = actions().users.create(actor(), _new_user())
    except LatchkeyError as error:
        return _form(status_of(error), by_field(error, _taken(error)))
    return done(f"The user {user.username} is there.", ".one", user_id=user.id)


@blueprint.get("/<row:user_id>")
def one(user_id: str) -> Response:
    """Show a user, and their tokens."""
    return _one(user_id)


@blueprint.post("/<row:user_id>")
def change(user_id: str) -> Response:
    """Change who a user is and which roles they have; who would lock themself out is asked once."""
    try:
        roles, enabled = picked("roles"), ticked("enabled")
        changes = UserChanges(_username(), _email(), display_name=_display_name(), enabled=enabled, roles=roles)
        if not sure() and user_id == actor().id and not (enabled and actions().choices.give(roles, MANAGE)):
            return ask_again("Lock yourself out?", LOCKED_OUT, "Save all the same", _place(user_id))
        actions().users.change(actor(), user_id, changes)
    except LatchkeyError as error:
        return _one(user_id, status_of(error), by_field(error, _taken(error)))
    return done("The user is changed: every credential of theirs feels it at once.", ".one", user_id=user_id)


@blueprint.post("/<row:user_id>/password")
def set_password(user_id: str) -> Response:
    """Set another password; every sign-in of the user ends. One's own needs the present one, on the account's page."""
    if user_id == actor().id:
        raise Forbidden("change your own password on your account's page: it asks for the present one")
    try:
        actions().users.change(actor(), user_id, UserChanges(password=request.form.get("password", "")))
    except LatchkeyError as error:
        return _one(user_id, status_of(error), password_errors=by_field(error, "password"))
    return done("The password is set, and every sign-in of theirs has ended.", ".one", user_id=user_id)


@blueprint.get("/<row:user_id>/delete")
def ask_to_delete(user_id: str) -> Response:
    """Say what ends with a user."""
    user = actions().users.get(user_id)
    said = f"{LOCKED_OUT} With you end:" if user_id == actor().id else "They are gone for good, and with them end:"
    to, losses = url_for(".delete", user_id=user_id), actions().consequences.of_user(user_id)
    return ask(f"Delete {user.username}?", said, "Delete", to, _place(user_id), losses)


@blueprint.post("/<row:user_id>/delete")
def delete(user_id: str) -> Response:
    """Delete a user."""
    actions().users.delete(actor(), user_id)
    return done("The user is deleted, and every token of theirs is dead.", ".index")


def _new_user() -> NewUser:
    return NewUser(
        username=_username(),
        email=_email(),
        password=request.form.get("password") or None,
        display_name=_display_name(),
        enabled=ticked("enabled"),
        roles=picked("roles"),
    )


def _username() -> str:
    return line("username", LONGEST_USERNAME)


def _email() -> str | None:
    return line("email", LONGEST_EMAIL, needed=False) or None


def _display_name() -> str:
    return read_name("display_name", needed=False)


def _taken(error: LatchkeyError) -> str:
    return "email" if isinstance(error, Duplicate) and "email" in str(error) else "username"


def _place(user_id: str) -> str:
    return url_for(".one", user_id=user_id)


def _form(status: int = 200, errors: dict[str, str] | None = None) -> Response:
    ticks = sent("roles")
    return show(
        "console/user_new.html",
        status,
        offer=actions().choices.roles("user", ticks),
        picked=ticks,
        given=request.form,
        errors=errors or {},
    )


def _one(
    user_id: str,
    status: int = 200,
    errors: dict[str, str] | None = None,
    password_errors: dict[str, str] | None = None,
) -> Response:
    """Show a user; `errors` are of the form that changes them, `password_errors` of the one for the password."""
    user = actions().users.get(user_id)
    tokens, last = actions().personal_access_tokens.page(user_id, PAGE, after())
    return show(
        "console/user.html",
        status,
        user=user,
        myself=user_id == visitor().actor.id,
        tokens=tokens,
        onward=url_for(".one", user_id=user_id, after=last) if last else None,
        errors=errors or {},
        password_errors=password_errors or {},
        **_shown(user, again=bool(errors)),
    )


def _shown(user: UserView, *, again: bool) -> dict[str, object]:
    """Give what the form holds: the user as they are, or `again` what was sent."""
    ticks = sent("roles") if again else list(user.roles)
    offer = actions().choices.roles("user", {*ticks, *user.roles})
    enabled = ticked("enabled") if again else user.enabled
    return {"offer": offer, "picked": ticks, "enabled": enabled, "given": request.form if again else {}}
