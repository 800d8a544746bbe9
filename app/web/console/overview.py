"""/console: how things stand."""

from __future__ import annotations

from werkzeug.wrappers import Response

from app.actions.insight.overview import FAILED
from app.errors import NotFound
from app.http.current import actions
from app.web.room import Room, show

blueprint = Room("console", "/console", operators=True)


@blueprint.get("")
def index() -> Response:
    """Show how things stand."""
    hours = actions().overview.failures()
    return show(
        "console/overview.html",
        standings=actions().overview.credentials(),
        kinds=actions().overview.titles,
        hours=hours,
        failed=sum(hour.failed for hour in hours),
        most=max(hour.failed for hour in hours),
        action=FAILED,
    )


@blueprint.get("/<path:_rest>")
def nowhere(_rest: str) -> Response:
    """Show that there is no such page."""
    raise NotFound("there is no such page")
