"""/login and /logout: sessions begin with a password and end for good; the root redirects to the tokens."""

from __future__ import annotations

from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from app.actions.sign_in.factors import PASSWORD
from app.compose import Actions
from app.errors import Busy, LatchkeyError, TooManyRequests, Unauthenticated
from app.http import browser
from app.http.request import read_request
from app.maintenance.provider_checks import has_way_in
from app.texts import mark
from app.web import form
from app.web.account.second_step import finish_sign_in, redirect_after_sign_in
from app.web.page_routes import PageRoutes
from app.web.visitors import is_own_page
from app.web.wordings import translate, translate_refusal

WRONG = mark("The username or the password is wrong.")
AGAIN = "again"  # in the query: ask for the password although somebody is signed in

routes = PageRoutes("sign_in", guard=None)


@routes.get("/")
def redirect_root(actions: Actions) -> Response:
    """Redirect from the server's name alone to the user's tokens."""
    return redirect(url_for("tokens.index"), 303)


@routes.get("/login")
def show_form(actions: Actions) -> Response:
    """Ask for a username and a password, or redirect if a user is signed in; `again` asks also a signed-in user."""
    if browser.find_session(actions) and request.args.get(AGAIN) != "1":
        return redirect_after_sign_in(request.args.get("next", ""))
    return _render_form(actions)


@routes.post("/login")
def sign_in(actions: Actions) -> Response:
    """Begin a session, in place of any that the browser had."""
    browser.check_form()
    username, password = request.form.get("username", ""), request.form.get("password", "")
    context = read_request(request, actions.settings, actions.clock)
    try:
        actor = actions.authenticate_user(username, password, context.peer, context.id)
    except (Unauthenticated, TooManyRequests, Busy) as error:
        return _render_form(actions, error)
    return finish_sign_in(actions, actor, (PASSWORD,), request.form.get("next", ""))


@routes.post("/logout")
def sign_out(actions: Actions) -> Response:
    """End the session of this browser."""
    browser.check_form()
    visitor = browser.find_session(actions)
    if visitor is not None:
        actions.sessions.end(visitor.actor, visitor.actor.id, visitor.session_id)
    browser.sign_out()
    return redirect(url_for("sign_in.show_form"), 303)


def _render_form(actions: Actions, error: LatchkeyError | None = None) -> Response:
    off = actions.authenticate_user.policy.off
    wrong = isinstance(error, Unauthenticated) and not off
    path = request.values.get("next", "")
    return form.render(
        "account/sign_in.html",
        form.Refusal.of(error) if error else None,
        message=translate(WRONG) if wrong else translate_refusal(str(error or "")),
        next=path if is_own_page(path) else "",
        providers=actions.federation.providers.listed(),
        passwords=not off,
        nobody=off and not has_way_in(actions.settings, actions.store),
        passkeys=actions.second_factors.passkeys.available,
        offers_links=actions.one_time_links.offered,
    )
