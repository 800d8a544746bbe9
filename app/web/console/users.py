"""/console/users: users, their roles, and their personal access tokens."""

from __future__ import annotations

from functools import partial

from flask import url_for
from werkzeug.wrappers import Response

from app.actions.audit.actor import MANAGE
from app.actions.directory.one_time_links import NewLink, Purpose
from app.actions.directory.rows import Found, ListQuery
from app.actions.directory.users import NewUser, UserActions, UserChanges, UserView
from app.compose import Actions
from app.errors import Duplicate, Forbidden, LatchkeyError
from app.models.names import LONGEST_EMAIL, LONGEST_USERNAME
from app.web import form, lists, pages
from app.web.console.confirmation import ask, ask_to_resend, is_confirmed
from app.web.console.list_page import ENABLED, ListPage, read_enabled
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_operator

LINK, IDENTITY = "link", "identity"  # the names of forms
LOCKED_OUT = "This is you: without it you cannot come into the console again, until another operator helps."
RESET = "Be sure that it is they who ask. Their passkeys, app and recovery codes end, and so do their sign-ins."
COLUMNS = ("id", "username", "display_name", "email", "enabled", "roles", "provided_roles", "created_at")
LIST = ListPage("users", UserActions.sorts, ("status", "role"), COLUMNS)

routes = PageRoutes("console_users", "/console/users", guard=require_operator)


@routes.get("")
def index(actions: Actions) -> Response:
    """List the users, newest first unless another order is chosen."""
    return LIST.render(_find(actions, LIST.read()), statuses=ENABLED)


@routes.get("/export.csv")
def export_csv(actions: Actions) -> Response:
    """Return what the list shows as a file."""
    return LIST.export(partial(_find, actions), actions.clock())


@routes.get("/new")
def new(actions: Actions) -> Response:
    """Show the form for a new user."""
    return _render_new(actions)


@routes.post("")
def create(actions: Actions) -> Response:
    """Create a user."""
    try:
        user = actions.users.create(actor(actions), _read_new_user())
    except LatchkeyError as error:
        return _render_new(actions, form.Refusal.of(error, duplicate=_duplicate_field(error)))
    message = f"The user {user.username} is created: invite them to set a password."
    return pages.redirect_with(message, ".show", user_id=user.id)


@routes.get("/<row:user_id>")
def show(actions: Actions, user_id: str) -> Response:
    """Show a user and their tokens."""
    return render_user(actions, user_id)


@routes.post("/<row:user_id>")
def change(actions: Actions, user_id: str) -> Response:
    """Change a user and their roles; ask first where operators would lock themselves out."""
    try:
        roles, enabled = form.read_selection("roles"), form.is_checked("enabled")
        changes = UserChanges(
            _read_username(), _read_email(), display_name=_read_display_name(), enabled=enabled, roles=roles
        )
        is_me = user_id == actor(actions).id
        if is_me and not is_confirmed() and not (enabled and actions.choices.give(roles, MANAGE)):
            return ask_to_resend("Lock yourself out?", LOCKED_OUT, "Save all the same", _page(user_id))
        actions.users.change(actor(actions), user_id, changes)
    except LatchkeyError as error:
        return render_user(actions, user_id, form.Refusal.of(error, duplicate=_duplicate_field(error)))
    message = "The user is changed, and what their credentials may do changes at once."
    return pages.redirect_with(message, ".show", user_id=user_id)


@routes.post("/<row:user_id>/link")
def create_link(actions: Actions, user_id: str) -> Response:
    """Mail a link to another user, or show it once; an operator's own password is changed at /account."""
    if user_id == actor(actions).id:
        raise Forbidden("change your own password on your account's page: it asks for the current one")
    try:
        made = actions.one_time_links.create(actor(actions), user_id, NewLink(_read_purpose()))
    except LatchkeyError as error:
        return render_user(actions, user_id, form.Refusal.of(error, form=LINK))
    if made.url is None:
        return pages.redirect_with(f"The link is on its way to {made.sent_to}.", ".show", user_id=user_id)
    return form.render("console/user_link.html", None, user=actions.users.get(user_id), made=made)


@routes.get("/<row:user_id>/delete")
def ask_to_delete(actions: Actions, user_id: str) -> Response:
    """Ask before a user is deleted."""
    user, is_me = actions.users.get(user_id), user_id == actor(actions).id
    warning = f"{LOCKED_OUT} With you end:" if is_me else "They are gone for good, and with them end:"
    return ask("Delete", user.username, warning, _page(user_id), actions.consequences.of_user(user_id))


@routes.post("/<row:user_id>/delete")
def delete(actions: Actions, user_id: str) -> Response:
    """Delete a user."""
    actions.users.delete(actor(actions), user_id)
    return pages.redirect_with("The user is deleted, and their tokens are revoked.", ".index")


@routes.get("/<row:user_id>/reset-factors")
def ask_to_reset_factors(actions: Actions, user_id: str) -> Response:
    """Ask before the second factors of a user are removed."""
    return ask("Reset the second factors of", actions.users.get(user_id).username, RESET, _page(user_id))


@routes.post("/<row:user_id>/reset-factors")
def reset_factors(actions: Actions, user_id: str) -> Response:
    """Remove the second factors of a user who lost them."""
    actions.second_factors.reset(actor(actions), user_id)
    message = "The second factors are removed, and every sign-in of theirs has ended."
    return pages.redirect_with(message, ".show", user_id=user_id)


def _find(actions: Actions, wanted: ListQuery) -> Found[UserView]:
    return actions.users.search(wanted, enabled=read_enabled(), role=lists.read_word("role"))


def _read_new_user() -> NewUser:
    return NewUser(
        username=_read_username(),
        email=_read_email(),
        display_name=_read_display_name(),
        enabled=form.is_checked("enabled"),
        roles=form.read_selection("roles"),
    )


def _read_username() -> str:
    return form.read_line("username", LONGEST_USERNAME)


def _read_email() -> str | None:
    return form.read_line("email", LONGEST_EMAIL, required=False) or None


def _read_display_name() -> str:
    return form.read_name("display_name", required=False)


def _read_purpose() -> Purpose:
    return "invitation" if form.read_choice("purpose", "invitation", "reset") == "invitation" else "reset"


def _duplicate_field(error: LatchkeyError) -> str:
    return "email" if isinstance(error, Duplicate) and "email" in str(error) else "username"


def _page(user_id: str) -> str:
    return url_for(".show", user_id=user_id)


def _render_new(actions: Actions, refusal: form.Refusal | None = None) -> Response:
    roles = form.sent_values("roles")
    return form.render("console/user_new.html", refusal, offer=actions.choices.roles("user", roles), picked=roles)


def render_user(actions: Actions, user_id: str, refusal: form.Refusal | None = None) -> Response:
    """Render the page of a user, whose forms change them, invite them and link an account."""
    user = actions.users.get(user_id)
    tokens, cursor = actions.personal_access_tokens.page(user_id, lists.PAGE, lists.read_cursor())
    apps, further_apps = actions.apps.page(user_id, lists.PAGE)
    return form.render(
        "console/user.html",
        refusal,
        user=user,
        links=actions.federation.links.of_user(user_id),
        providers=actions.federation.providers.listed(),
        identity_errors=form.errors_of(refusal, IDENTITY),
        myself=user_id == actor(actions).id,
        factors=actions.second_factors.of_user(user_id),
        tokens=tokens,
        next_page=lists.next_page(cursor, "console_users.show", user_id=user_id),
        apps=apps,
        next_apps=lists.next_page(further_apps, "console_user_apps.index", user_id=user_id),
        mails=actions.one_time_links.mails,
        link_errors=form.errors_of(refusal, LINK),
        **_choices(actions, user, again=bool(form.errors_of(refusal))),
    )


def _choices(actions: Actions, user: UserView, *, again: bool) -> dict[str, object]:
    """Return the boxes of the form and which are ticked: as the user is, or `again` as they were sent."""
    roles = form.sent_values("roles") if again else list(user.roles)
    offer = actions.choices.roles("user", {*roles, *user.roles})
    return {"offer": offer, "picked": roles, "enabled": form.is_checked("enabled") if again else user.enabled}
