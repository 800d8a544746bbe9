"""/console/users/…/apps: the apps that a user allowed, which an operator ends."""

from __future__ import annotations

from flask import url_for
from werkzeug.wrappers import Response

from app.compose import Actions
from app.web import lists, pages
from app.web.console.confirmation import ask
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_operator

USER_PAGE, PLACE = "console_users.show", "apps"

routes = PageRoutes("console_user_apps", "/console/users/<row:user_id>/apps", guard=require_operator)


@routes.get("")
def index(actions: Actions, user_id: str) -> Response:
    """List all apps of the user; the user's own page shows the first."""
    found, cursor = actions.apps.page(user_id, lists.PAGE, lists.read_cursor())
    onward = lists.next_page(cursor, user_id=user_id)
    return pages.render("console/user_apps.html", user=actions.users.get(user_id), found=found, next_page=onward)


@routes.get("/<row:app_id>/end")
def ask_to_end(actions: Actions, user_id: str, app_id: str) -> Response:
    """Ask before an app is ended."""
    one, user = actions.apps.get(user_id, app_id), actions.users.get(user_id)
    warning = f"It can no longer act for {user.username}, at once, and has to ask them again."
    return ask("End", one.name, warning, url_for(USER_PAGE, user_id=user_id, _anchor=PLACE))


@routes.post("/<row:app_id>/end")
def end(actions: Actions, user_id: str, app_id: str) -> Response:
    """End an app of the user."""
    actions.apps.end(actor(actions), user_id, app_id)
    message = "The app no longer acts for this user: its tokens are refused."
    return pages.redirect_with(message, USER_PAGE, user_id=user_id, _anchor=PLACE)
