"""/login/second and /login/passkey: the second factor after the first one, or a passkey alone."""

from __future__ import annotations

from collections.abc import Sequence

from flask import flash, redirect, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from app.actions.audit.actor import Actor, anonymous
from app.actions.sign_in.factors import CODE, PASSKEY, RECOVERY, includes_second
from app.compose import Actions
from app.errors import LatchkeyError, TooManyRequests, Unauthenticated
from app.http import browser
from app.http.issuer_path import encoded_root
from app.http.request import read_request
from app.texts import mark
from app.web import form
from app.web.account.ceremonies import PendingSignIn, begin_ceremony, read_answer
from app.web.languages import current_language
from app.web.page_routes import PageRoutes
from app.web.visitors import begin_session, is_own_page
from app.web.wordings import translate_refusal

START = "/account/tokens"
LATE = mark("The sign-in took too long: begin again.")
SIGN_IN, SECOND = "sign-in", "second"  # what a ceremony is for

routes = PageRoutes("second_step", "/login", guard=None)


def finish_sign_in(
    actions: Actions,
    actor: Actor,
    methods: Sequence[str],
    next_path: str,
    provider: str | None = None,
    provider_session: str | None = None,
) -> Response:
    """Begin the session of a user who gave a first factor, or ask for the second one if the user has one."""
    if not includes_second(methods) and actions.second_factors.has(actor.id):
        pending = PendingSignIn(actor.id, tuple(methods), provider, provider_session)
        pending.keep(actions.clock())
        return redirect(url_for("second_step.show", next=own_path(next_path)), 303)
    actions.authenticate_user.note_place(actor)
    begin_session(actions, actor, methods, provider, provider_session)
    actions.notice_preferences.remember_language(actor.id, current_language())
    return redirect_after_sign_in(next_path)


def redirect_after_sign_in(path: str) -> Response:
    """Redirect to the page that the user came for, if it is one of ours."""
    return redirect(own_address(path) or encoded_root() + START, 303)


def own_address(path: str) -> str | None:
    """Return the address of one of our pages, for a redirect or a link; None for any other path."""
    return encoded_root() + path if is_own_page(path) else None


@routes.get("/second")
def show(actions: Actions) -> Response:
    """Ask for the second factor of the user who gave the first one."""
    pending = PendingSignIn.read(actions.clock())
    return _begin_again() if pending is None else _render(actions, pending)


@routes.post("/second")
def answer(actions: Actions) -> Response:
    """Check the second factor, and begin the session."""
    browser.check_form()
    pending = PendingSignIn.read(actions.clock())
    if pending is None:
        return _begin_again()
    try:
        who = _find(actions, pending.user_id)
        method = _check(actions, who)
    except (Unauthenticated, TooManyRequests) as error:
        return _render(actions, pending, error)
    methods, onward = (*pending.methods, method), request.form.get("next", "")
    done = finish_sign_in(actions, who, methods, onward, pending.provider, pending.provider_session)
    if method == RECOVERY:  # after the session has begun, with an empty cookie
        left = actions.second_factors.of_user(who.id).recovery_codes
        flash(gettext("You used a recovery code, and have %(left)s left.", left=left))
    return done


@routes.post("/second/options")
def ask_for_second(actions: Actions) -> Response:
    """Return what the browser is asked for: a passkey of the user who gave the first factor."""
    browser.check_form()
    pending = PendingSignIn.read(actions.clock())
    if pending is None:
        return Response("{}", 400, content_type="application/json")
    return begin_ceremony(actions, SECOND, actions.second_factors.ask_for_passkey(pending.user_id))


@routes.post("/passkey/options")
def ask_for_passkey(actions: Actions) -> Response:
    """Return what the browser is asked for: any passkey of this server."""
    browser.check_form()
    return begin_ceremony(actions, SIGN_IN, actions.second_factors.ask_for_passkey())


@routes.post("/passkey")
def sign_in(actions: Actions) -> Response:
    """Begin the session of the user whose passkey answered: it is two factors by itself."""
    browser.check_form()
    context = read_request(request, actions.settings, actions.clock)
    try:
        passkey = read_answer(actions, SIGN_IN)
        user_id = actions.second_factors.use_passkey(anonymous(context.peer, context.id), passkey)
        who = _find(actions, user_id)
    except Unauthenticated:
        flash(gettext("The passkey is not accepted."))
        return redirect(url_for("sign_in.show_form", next=own_path(request.form.get("next", ""))), 303)
    return finish_sign_in(actions, who, (PASSKEY,), request.form.get("next", ""))


def check_factor(actions: Actions, who: Actor, purpose: str) -> str:
    """Return by which method a form proves that its sender is this user. Raises Unauthenticated, TooManyRequests."""
    method = request.form.get("method", "")
    if method == PASSKEY:
        actions.second_factors.use_passkey(who, read_answer(actions, purpose))
    elif method == CODE:
        actions.second_factors.use_code(who, request.form.get("code", ""))
    else:
        raise Unauthenticated("send a second factor")
    return method


def _check(actions: Actions, who: Actor) -> str:
    if request.form.get("method") != RECOVERY:
        return check_factor(actions, who, SECOND)
    actions.second_factors.use_recovery_code(who, request.form.get("recovery_code", ""))
    return RECOVERY


def _find(actions: Actions, user_id: str) -> Actor:
    context = read_request(request, actions.settings, actions.clock)
    return actions.second_factors.find_user(user_id, context.peer, context.id)


def _begin_again() -> Response:
    flash(gettext(LATE))
    return redirect(url_for("sign_in.show_form"), 303)


def own_path(path: str) -> str | None:
    """Return a path that may be repeated in a link; None for any other."""
    return path if is_own_page(path) else None


def _render(actions: Actions, pending: PendingSignIn, error: LatchkeyError | None = None) -> Response:
    return form.render(
        "account/second_step.html",
        form.Refusal.of(error) if error else None,
        message=translate_refusal(str(error)) if error else "",
        next=own_path(request.values.get("next", "")) or "",
        factors=actions.second_factors.of_user(pending.user_id),
        passkeys=actions.second_factors.passkeys.available,
    )
