"""The style sheets and scripts of the pages, served by this server: a page loads nothing from another host."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, send_from_directory

from app.web.compare.page import render_style

STATIC = Path(__file__).with_name("static")
MAX_AGE = 86_400  # seconds that a browser caches the assets
ASSETS = ("pico.min.css", "latchkey.css", "htmx.min.js", "latchkey.js")

blueprint = Blueprint("assets", __name__, url_prefix="/assets", template_folder="templates")


@blueprint.get(f"/<any({', '.join(map(repr, ASSETS))}):name>")
def asset(name: str) -> Response:
    """Return a style sheet or a script."""
    return _cacheable(send_from_directory(STATIC, name))


@blueprint.get("/comparison.css")
def comparison_style() -> Response:
    """Return the style sheet of the comparison's table; `latchkey compare --html` writes it into its file."""
    return _cacheable(Response(render_style(), mimetype="text/css"))


def _cacheable(response: Response) -> Response:
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    return response
