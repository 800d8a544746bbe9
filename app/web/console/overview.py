"""/console: how things stand."""

from __future__ import annotations

from werkzeug.wrappers import Response

from app.errors import NotFound
from app.web.room import Room, show

blueprint = Room("console", "/console", operators=True)


@blueprint.get("")
def index() -> Response:
    """Show how things stand."""
    return show("console/overview.html")


@blueprint.get("/<path:_rest>")
def nowhere(_rest: str) -> Response:
    """Show that there is no such page."""
    raise NotFound("there is no such page")
