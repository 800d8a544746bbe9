"""/login/with, /login/callback: signing in at an identity provider, and linking an account there.

`/login/with` only redirects. It does so for our own pages alone: a page of another site would sign the user in without
their doing. What the browser has begun is in its cookie, so that an answer to another browser is refused.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flask import redirect, request, session, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from app.actions.audit.actor import Actor, anonymous
from app.actions.sign_in.providers import FOREIGN, BegunSignIn, Provider
from app.compose import Actions
from app.errors import LatchkeyError, NotFound, SignInRefused
from app.http import browser
from app.http.request import read_request
from app.web import pages
from app.web.account.second_step import finish_sign_in
from app.web.page_routes import PageRoutes
from app.web.visitors import is_own_page
from app.web.wordings import translate_refusal

if TYPE_CHECKING:
    from app.actions.sign_in.ask_provider import Identity

BEGUN = "begun"  # the member of the cookie
OWN_PAGES = ("same-origin", "none")  # in Sec-Fetch-Site: our own form, or an address that a person entered
LONGEST_KEPT = 2_400  # characters of a path: a browser drops a cookie of more than 4,096 bytes (RFC 6265 §6.1)
ONE_VALUE = ("state", "code", "iss", "error")

routes = PageRoutes("provider_sign_in", guard=None)


@routes.get("/login/with/<row:provider_id>")
def begin(actions: Actions, provider_id: str) -> Response:
    """Redirect to the provider; to the sign-in form for a page of another site."""
    wanted = request.args.get("next", "")
    path = wanted if is_own_page(wanted) and len(wanted) <= LONGEST_KEPT else ""
    if request.headers.get("Sec-Fetch-Site", "none") not in OWN_PAGES:
        return redirect(url_for("sign_in.show_form", next=path or None), 303)
    try:
        return redirect(begin_at(actions, provider_id, path), 303)
    except LatchkeyError as error:
        return _render_refusal(error, path)


@routes.get("/login/callback/<row:provider_id>")
def finish(actions: Actions, provider_id: str) -> Response:
    """Sign in whom the provider names, or link that account to the signed-in user."""
    begun = _take_begun()
    path = begun.next_path if begun else ""
    try:
        identity = _identify(actions, provider_id, begun)
        if begun is not None and begun.user_id is not None:
            return _link(actions, begun.user_id, identity)
        actor = actions.federation.admit(_caller(actions), identity)
    except LatchkeyError as error:
        return _render_refusal(error, path)
    methods = ("fed", "mfa") if identity.multi_factor else ("fed",)
    return finish_sign_in(actions, actor, methods, path, identity.provider.id, identity.session)


def begin_at(actions: Actions, provider_id: str, path: str, user_id: str | None = None) -> str:
    """Note in the cookie what begins, and return where the browser goes. Raises NotFound, ProviderAway, Busy."""
    url, begun = actions.federation.ask.begin(_find(actions, provider_id), path, user_id)
    session[BEGUN] = asdict(begun)
    return url


def _take_begun() -> BegunSignIn | None:
    """Return what this browser has begun, which one answer ends."""
    begun: Any = session.pop(BEGUN, None)
    return BegunSignIn(**begun) if isinstance(begun, dict) else None


def _identify(actions: Actions, provider_id: str, begun: BegunSignIn | None) -> Identity:
    answer = {name: request.args[name] for name in ONE_VALUE if name in request.args}
    if any(len(request.args.getlist(name)) > 1 for name in ONE_VALUE):  # RFC 6749 §3.1
        raise SignInRefused(FOREIGN)
    return actions.federation.ask.finish(_caller(actions), _find(actions, provider_id), begun, answer)


def _link(actions: Actions, user_id: str, identity: Identity) -> Response:
    """Link the account to the user who began this and is still signed in."""
    visitor = browser.find_session(actions)
    if visitor is None or visitor.actor.id != user_id:
        raise SignInRefused(FOREIGN)
    actions.federation.admit.link(visitor.actor, identity)
    message = gettext("Your account of %(name)s is linked: you can sign in with it now.", name=identity.provider.name)
    return pages.redirect_with(message, "account.index")


def _find(actions: Actions, provider_id: str) -> Provider:
    found = actions.federation.providers.find(provider_id)
    if found is None:
        raise NotFound("there is no such identity provider")
    return found


def _caller(actions: Actions) -> Actor:
    context = read_request(request, actions.settings, actions.clock)
    return anonymous(context.peer, context.id)


def _render_refusal(error: LatchkeyError, path: str) -> Response:
    status, message = pages.status_of(error), translate_refusal(str(error))
    page = pages.render("account/provider_refused.html", status, message=message, next=path)
    return pages.set_retry_after(page, error)
