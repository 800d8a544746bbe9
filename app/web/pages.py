"""What all pages share: their assets, and a policy under which nothing runs or loads but our own."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, render_template, send_from_directory

from app.web.compare.page import style

STATIC = Path(__file__).with_name("static")
KEPT = 86_400  # seconds that a browser keeps the assets
POLICY = (
    "default-src 'none'; {scripts}style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
SCRIPTS = "script-src 'nonce-{nonce}'; connect-src 'self'; "
ASSETS = ("pico.min.css", "latchkey.css", "htmx.min.js", "latchkey.js")

blueprint = Blueprint("pages", __name__, template_folder="templates")


def page(template: str, status: int = 200, **shown: Any) -> Response:
    """Give a page on which nothing runs; every text is escaped by its template."""
    return _answer(render_template(template, **shown), status, "")


def scripted_page(template: str, status: int = 200, **shown: Any) -> Response:
    """Give a page on which the scripts run that carry the nonce of this very answer."""
    nonce = secrets.token_urlsafe(16)
    return _answer(render_template(template, nonce=nonce, **shown), status, SCRIPTS.format(nonce=nonce))


def _answer(text: str, status: int, scripts: str) -> Response:
    response = Response(text, status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = POLICY.format(scripts=scripts)
    return response


@blueprint.get(f"/assets/<any({', '.join(map(repr, ASSETS))}):name>")
def asset(name: str) -> Response:
    """Give a style sheet or a script."""
    return _kept(send_from_directory(STATIC, name))


@blueprint.get("/assets/comparison.css")
def comparison_style() -> Response:
    """Give the style sheet of the comparison's table, which the file of `latchkey compare --html` holds too."""
    return _kept(Response(style(), mimetype="text/css"))


def _kept(response: Response) -> Response:
    response.headers["Cache-Control"] = f"public, max-age={KEPT}"
    return response
