"""/account/providers: the accounts at identity providers with which a user signs in: link one, and end a link."""

from __future__ import annotations

from flask_babel import gettext
from werkzeug.wrappers import Response

from app.compose import Actions
from app.errors import Forbidden, LatchkeyError
from app.web import pages
from app.web.account.provider_sign_in import begin_at
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, visitor

STALE = "sign in again first: this needs a sign-in of the last 15 minutes"
routes = PageRoutes("provider_links", "/account/providers")


@routes.post("/<row:provider_id>/link")
def link(actions: Actions, provider_id: str) -> Response:
    """Send the browser to the provider, by a page: a form may not redirect to another site (form-action)."""
    _refuse_stale(actions)
    try:
        onward = begin_at(actions, provider_id, "", actor(actions).id)
    except LatchkeyError as error:
        return pages.render_error(error)
    return pages.render("account/provider_link.html", onward=onward)


@routes.post("/links/<row:link_id>/unlink")
def unlink(actions: Actions, link_id: str) -> Response:
    """End a link: the account signs nobody in here any more."""
    _refuse_stale(actions)
    actions.federation.links.end_own(actor(actions), link_id)
    return pages.redirect_with(gettext("The account is not linked any more."), "account.index")


def _refuse_stale(actions: Actions) -> None:
    if not visitor(actions).fresh:
        raise Forbidden(STALE)
