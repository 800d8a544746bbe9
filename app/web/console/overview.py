"""/console: how things stand."""

from __future__ import annotations

from werkzeug.wrappers import Response

from app.web.room import Room, show

blueprint = Room("console", "/console", operators=True)


@blueprint.get("")
def index() -> Response:
    """Show how things stand."""
    return show("console/overview.html")
