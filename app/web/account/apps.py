"""/account/apps: the apps that a user allowed to act for them, and their end."""

from __future__ import annotations

from flask_babel import gettext
from werkzeug.wrappers import Response

from app.actions.insight.own_usage import Own
from app.compose import Actions
from app.web import lists, pages
from app.web.page_routes import PageRoutes
from app.web.usage_chart import read_chart
from app.web.visitors import actor

MOST_SHOWN = 20  # authorizations of one app on its page

routes = PageRoutes("apps", "/account/apps")


@routes.get("")
def index(actions: Actions) -> Response:
    """List the apps that the user allowed."""
    found, cursor = actions.apps.page(actor(actions).id, lists.PAGE, lists.read_cursor())
    return pages.render("account/apps.html", found=found, next_page=lists.next_page(cursor))


@routes.get("/<row:app_id>")
def show(actions: Actions, app_id: str) -> Response:
    """Show an app, what it may do, where it is connected, and how it was used."""
    me = actor(actions).id
    one = actions.apps.get(me, app_id)
    grants, _ = actions.apps.grants(MOST_SHOWN, None, client_row_id=app_id, user_id=me, status="active")
    usage = read_chart(actions.read_usage, Own(me, app_id))
    return pages.render("account/app.html", one=one, grants=grants, usage=usage)


@routes.get("/<row:app_id>/end")
def ask_to_end(actions: Actions, app_id: str) -> Response:
    """Ask before an app loses its access."""
    return pages.render("account/app_end.html", one=actions.apps.get(actor(actions).id, app_id))


@routes.post("/<row:app_id>/end")
def end(actions: Actions, app_id: str) -> Response:
    """End the access of an app: its tokens are refused, and it has to ask again."""
    actions.apps.end(actor(actions), actor(actions).id, app_id)
    return pages.redirect_with(gettext("The app has no access any more: its tokens are refused everywhere."), ".index")
