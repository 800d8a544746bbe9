"""/login/confirm: a user who is signed in authenticates again, and goes back to the page that asked for it."""

from __future__ import annotations

from flask import redirect, request
from werkzeug.wrappers import Response

from app.actions.sign_in.factors import PASSWORD
from app.compose import Actions
from app.errors import LatchkeyError, TooManyRequests, Unauthenticated
from app.http import browser
from app.http.issuer_path import encoded_root
from app.texts import mark
from app.web import form
from app.web.account.ceremonies import begin_ceremony
from app.web.account.second_step import check_factor, redirect_after_sign_in
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, is_own_page, require_session, visitor
from app.web.wordings import translate, translate_refusal

WRONG = mark("The password is wrong.")
CONFIRM = "confirm"  # what a ceremony is for

routes = PageRoutes("confirm", "/login/confirm", guard=require_session)


@routes.get("")
def show(actions: Actions) -> Response:
    """Ask for the second factor, or for the password of a user who has none; go on if there is no need to ask."""
    if visitor(actions).fresh:
        return redirect_after_sign_in(request.args.get("next", ""))
    return _render(actions)


@routes.post("")
def confirm(actions: Actions) -> Response:
    """Check it, and go back; the session gets a new secret."""
    who = actor(actions)
    try:
        method = check_factor(actions, who, CONFIRM) if visitor(actions).has_factor else _check_password(actions)
    except (Unauthenticated, TooManyRequests) as error:
        return _render(actions, error)
    browser.sign_in(actions.sessions.confirm(who, visitor(actions).session_id, method))
    path = request.form.get("next", "")
    return redirect(encoded_root() + (path if is_own_page(path) else "/account"), 303)


@routes.post("/options")
def ask_for_passkey(actions: Actions) -> Response:
    """Return what the browser is asked for: a passkey of the user."""
    return begin_ceremony(actions, CONFIRM, actions.second_factors.ask_for_passkey(actor(actions).id))


def _check_password(actions: Actions) -> str:
    who, password = actor(actions), request.form.get("password", "")
    actions.authenticate_user(who.name, password, who.address, who.request_id, signed_in=True)
    return PASSWORD


def _render(actions: Actions, error: LatchkeyError | None = None) -> Response:
    path, has_factor = request.values.get("next", ""), visitor(actions).has_factor
    wrong_password = isinstance(error, Unauthenticated) and not has_factor
    message = translate(WRONG) if wrong_password else translate_refusal(str(error or ""))
    return form.render(
        "account/confirm.html",
        form.Refusal.of(error) if error else None,
        message=message,
        next=path if is_own_page(path) else "",
        factors=actions.second_factors.of_user(actor(actions).id),
        passkeys=actions.second_factors.passkeys.available,
    )
