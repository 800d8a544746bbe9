"""What all pages share: their assets, and a policy under which nothing runs or loads but our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, render_template, send_from_directory

from app.comparison.page import style

STATIC = Path(__file__).with_name("static")
KEPT = 86_400  # seconds that a browser keeps the assets
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

blueprint = Blueprint("pages", __name__, template_folder="templates")


def page(template: str, **shown: Any) -> Response:
    """Give a page; every text is escaped by its template."""
    response = Response(render_template(template, **shown), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = POLICY
    return response


@blueprint.get("/assets/<any('pico.min.css', 'latchkey.css'):name>")
def asset(name: str) -> Response:
    """Give a style sheet."""
    return _kept(send_from_directory(STATIC, name))


@blueprint.get("/assets/comparison.css")
def comparison_style() -> Response:
    """Give the style sheet of the comparison's table, which the file of `latchkey compare --html` holds too."""
    return _kept(Response(style(), mimetype="text/css"))


def _kept(response: Response) -> Response:
    response.headers["Cache-Control"] = f"public, max-age={KEPT}"
    return response
