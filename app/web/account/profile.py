"""/account: a user's profile, sign-ins and password."""

from __future__ import annotations

from flask import redirect, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from app.actions.directory.users import UserChanges
from app.actions.limits.abuse import PASSWORD_CHANGES
from app.compose import Actions
from app.errors import Forbidden, Invalid, LatchkeyError, NotFound, Unauthenticated
from app.texts import mark
from app.web import form, pages
from app.web.account.device import describe_browser
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, begin_session, visitor

NOTICE_LABELS = {
    "credential.expiring": mark("A token or app ends in 7 days, and in a day"),
    "credential.unused": mark("A token or app was not used for 90 days"),
    "credential.leaked": mark("A token was reported as leaked (always sent)"),
    "credential.reused": mark("A token was used after it was replaced"),
    "second_factor.changed": mark("A second factor was added, removed or reset (always sent)"),
    "linked_account.changed": mark("An account with which you sign in was linked or unlinked (always sent)"),
    "recovery_code.used": mark("A recovery code was used (always sent)"),
    "sign_in.new_place": mark("A sign-in from a new place"),
}
PAGE = "/account"
routes = PageRoutes("account", PAGE)


@routes.get("")
def index(actions: Actions) -> Response:
    """Show the profile, the scopes of its roles, and the sign-ins."""
    return _render_profile(actions)


@routes.post("/password", confirmed=True)
def change_password(actions: Actions) -> Response:
    """Set another password and end every other sign-in."""
    me = actor(actions)
    try:
        _check_password(actions, "present")
        actions.abuse_limits.refuse_beyond(PASSWORD_CHANGES.of(me.id))
        password = request.form.get("password", "")
        if password != request.form.get("again", ""):
            raise Invalid.field("again", "is not the same")
        session_id = visitor(actions).session_id
        actions.users.change(me, me.id, UserChanges(password=password), but_session=session_id)
    except LatchkeyError as error:
        return _render_profile(actions, form.Refusal.of(error))
    begin_session(actions, me, visitor(actions).methods)
    return pages.redirect_with(gettext("Your password is changed, and every other sign-in has ended."), ".index")


@routes.post("/notices")
def choose_notices(actions: Actions) -> Response:
    """Turn notices by mail on and off."""
    me = actor(actions)
    actions.notice_preferences.choose(me, me.id, request.form.getlist("notice"))
    return pages.redirect_with(gettext("Your choice of notices is kept."), ".index")


@routes.post("/confirm")
def confirm(actions: Actions) -> Response:
    """Check the password again, so that other sign-ins can be ended; a second factor is asked for instead."""
    if visitor(actions).has_factor:
        return redirect(url_for("confirm.show", next=PAGE), 303)
    try:
        _check_password(actions, "confirmed")
    except LatchkeyError as error:
        return _render_profile(actions, form.Refusal.of(error))
    begin_session(actions, actor(actions))
    return pages.redirect_with(gettext("Thank you: you can end other sign-ins now."), ".index")


@routes.post("/sessions/<row:session_id>/end")
def end_session(actions: Actions, session_id: str) -> Response:
    """End one sign-in; any other than this one needs a recent password check."""
    if session_id != visitor(actions).session_id:
        _refuse_stale(actions)
    actions.sessions.end(actor(actions), actor(actions).id, session_id)
    return pages.redirect_with(gettext("That sign-in has ended."), ".index")


@routes.post("/sessions/end-others")
def end_other_sessions(actions: Actions) -> Response:
    """End every sign-in but this one."""
    _refuse_stale(actions)
    actions.sessions.end_others(actor(actions), actor(actions).id, visitor(actions).session_id)
    return pages.redirect_with(gettext("Every other sign-in has ended."), ".index")


@routes.get("/<path:_rest>")
def refuse_unknown_path(actions: Actions, _rest: str) -> Response:
    """Answer any other path below /account with a page."""
    raise NotFound("there is no such page")


def _refuse_stale(actions: Actions) -> None:
    if not visitor(actions).fresh:
        raise Forbidden("confirm your password on your account's page first")


def _check_password(actions: Actions, field: str) -> None:
    """Check the current password, with the delay and the limits of a sign-in; raises Invalid, TooManyRequests."""
    me, password = actor(actions), request.form.get(field, "")
    try:
        actions.authenticate_user(me.name, password, me.address, me.request_id, signed_in=True)
    except Unauthenticated:
        raise Invalid.field(field, "is wrong") from None


def _render_profile(actions: Actions, refusal: form.Refusal | None = None) -> Response:
    user_id = actor(actions).id
    sessions = actions.sessions.page(user_id)
    return form.render(
        "account/profile.html",
        refusal,
        profile=actions.users.get(user_id),
        notices=actions.notice_preferences.choices(user_id),
        notice_labels=NOTICE_LABELS,
        sends_mail=actions.mail_delivery is not None,
        reach=actions.reach.of_user(user_id),
        sessions=sessions,
        links=actions.federation.links.of_user(user_id),
        providers=actions.federation.providers.listed(),
        passwords=not actions.authenticate_user.policy.off,
        browsers={session.id: describe_browser(session.agent) for session in sessions},
    )
