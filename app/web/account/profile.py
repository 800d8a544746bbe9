"""/account: who one is here, where one is signed in, and the password."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from app.actions.directory.users import UserChanges
from app.actions.limits.abuse import PASSWORD_CHANGES
from app.errors import Forbidden, Invalid, LatchkeyError, NotFound, Unauthenticated
from app.http.current import actions
from app.web.page_routes import Room, actor, begin_session, done, in_time, said_by_field, show, status_of, visitor

blueprint = Room("account", "/account")


@blueprint.get("")
def index() -> Response:
    """Show the profile, what the roles give, and the sign-ins."""
    return _shown()


@blueprint.post("/password")
def change_password() -> Response:
    """Set another password; every other sign-in ends."""
    me, given = actor(), request.form
    try:
        _prove(given.get("present", ""))
        actions().abuse_limits.refuse_beyond(PASSWORD_CHANGES.of(me.id))
        if given.get("password", "") != given.get("again", ""):
            raise Invalid.field("again", "is not the same")
        changes = UserChanges(password=given.get("password", ""))
        actions().users.change(me, me.id, changes, but_session=visitor().session_id)
    except LatchkeyError as error:
        return in_time(_shown(status_of(error), said_by_field(error)), error)
    begin_session(me)
    return done("Your password is changed, and every other sign-in has ended.", "account.index")


@blueprint.post("/confirm")
def confirm() -> Response:
    """Prove once more who one is."""
    try:
        _prove(request.form.get("confirmed", ""), "confirmed")
    except LatchkeyError as error:
        return in_time(_shown(status_of(error), said_by_field(error)), error)
    begin_session(actor())
    return done("Thank you: you can end other sign-ins now.", "account.index")


@blueprint.post("/sessions/<row:session_id>/end")
def end_session(session_id: str) -> Response:
    """End one sign-in; another one than this only by who proved themself a short while ago."""
    if session_id != visitor().session_id:
        _refuse_stale()
    actions().sessions.end(actor(), actor().id, session_id)
    return done("That sign-in has ended.", "account.index")


@blueprint.post("/sessions/end-others")
def end_other_sessions() -> Response:
    """End every sign-in but this one."""
    _refuse_stale()
    actions().sessions.end_others(actor(), actor().id, visitor().session_id)
    return done("Every other sign-in has ended.", "account.index")


@blueprint.get("/<path:_rest>")
def nowhere(_rest: str) -> Response:
    """Show that there is no such page."""
    raise NotFound("there is no such page")


def _refuse_stale() -> None:
    if not visitor().fresh:
        raise Forbidden("confirm your password on your account's page first")


def _prove(password: str, field: str = "present") -> None:
    """Check the present password, as slowly and as often as at a sign-in; raises Invalid, TooManyRequests."""
    me = actor()
    try:
        actions().authenticate_user(me.name, password, me.address, me.request_id, signed_in=True)
    except Unauthenticated:
        raise Invalid.field(field, "is wrong") from None


def _shown(status: int = 200, errors: dict[str, str] | None = None) -> Response:
    me = actor()
    return show(
        "account/profile.html",
        status,
        profile=actions().users.get(me.id),
        reach=actions().reach.of_user(me.id),
        sessions=actions().sessions.page(me.id),
        errors=errors or {},
    )
