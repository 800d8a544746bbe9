"""/console: the live credentials, and the failed authentications of the last day."""

from __future__ import annotations

from werkzeug.wrappers import Response

from app.actions.insight.overview import FAILED
from app.compose import Actions
from app.errors import NotFound
from app.web import pages
from app.web.console.links import list_of, page_of_credential
from app.web.page_routes import PageRoutes
from app.web.visitors import require_operator

routes = PageRoutes("console", "/console", guard=require_operator)


@routes.get("")
def index(actions: Actions) -> Response:
    """Show the counts of live credentials and of failed authentications."""
    hours = actions.overview.failures()
    return pages.render(
        "console/overview.html",
        counts=actions.overview.credentials(),
        kinds=actions.overview.titles,
        lists=actions.overview.lists(),
        list_of=list_of,
        top=actions.read_usage.top(),
        words=actions.known_credentials.titles | {"client": "Client"},
        page_of=page_of_credential,
        hours=hours,
        failed=sum(hour.failed for hour in hours),
        most=max(hour.failed for hour in hours),
        action=FAILED,
    )


@routes.get("/<path:_rest>")
def refuse_unknown_path(actions: Actions, _rest: str) -> Response:
    """Answer any other path below /console with a page."""
    raise NotFound("there is no such page")
