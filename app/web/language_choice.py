"""/language: the browser keeps the language that was chosen in a page's footer, and returns to that page."""

from __future__ import annotations

from flask import current_app, redirect, request
from werkzeug.wrappers import Response

from app.compose import Actions
from app.http import browser
from app.http.browser import SAFE
from app.http.issuer_path import encoded_root
from app.web.languages import COOKIE
from app.web.page_routes import PageRoutes
from app.web.visitors import continues_a_request, is_own_page

KEPT = 365 * 86_400  # seconds
LONGEST_KEPT = 1000  # characters of a path whose query is kept too

routes = PageRoutes("language", guard=None)


@routes.post("/language")
def choose(actions: Actions) -> Response:
    """Keep the language, unless the browser says that another site sent the form, which has no token of a session."""
    path, language = request.form.get("next", ""), request.form.get("language", "")
    response = redirect(encoded_root() + (path if is_own_page(path) else "/"), 303)
    if _is_from_this_site() and language in actions.settings.languages:
        secure = actions.settings.issuer.startswith("https://")
        _remember(actions, language)
        response.set_cookie(COOKIE, language, max_age=KEPT, secure=secure, httponly=True, samesite="Lax")
    return response


def _remember(actions: Actions, language: str) -> None:
    """Store the language for the mail of a user who is signed in."""
    found = browser.find_session(actions)
    if found is not None:
        actions.notice_preferences.remember_language(found.actor.id, language)


def find_return_path() -> str:
    """Return the path of the page that is rendered, "" for an unknown one; after a form, the page of its section."""
    if request.blueprint is None:
        return ""
    if request.method in SAFE:
        path, onward = request.full_path.rstrip("?"), request.args.get("next", request.path)
        if continues_a_request(path):
            return path
        return path if len(path) <= LONGEST_KEPT and is_own_page(path) and is_own_page(onward) else request.path
    return current_app.blueprints[request.blueprint].url_prefix or "/login"


def _is_from_this_site() -> bool:
    return request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
