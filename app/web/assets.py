"""The style sheets, scripts and icons of the pages, served by this server: a page loads nothing from another host.

The address of an asset names its content (`?v=`), so that browsers keep it for good and load it again when it changes.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint
from werkzeug.wrappers import Response

from app.http.asset import Asset
from app.web.compare.page import render_style

STATIC = Path(__file__).with_name("static")
ASSETS = ("tabler.min.css", "latchkey.css", "htmx.min.js", "latchkey.js", "passkey.js", "icons.svg", "logo.svg")
COMPARISON_STYLE = "comparison.css"  # rendered from a template

blueprint = Blueprint("assets", __name__, url_prefix="/assets", template_folder="templates")


@blueprint.get(f"/<any({', '.join(map(repr, ASSETS))}):name>")
def asset(name: str) -> Response:
    """Return a style sheet, a script or a picture."""
    return load_asset(name).send()


@blueprint.get(f"/{COMPARISON_STYLE}")
def comparison_style() -> Response:
    """Return the style sheet of the comparison's table; `latchkey compare --html` writes it into its file."""
    return load_asset(COMPARISON_STYLE).send()


@blueprint.app_url_defaults
def add_version(endpoint: str, values: dict[str, Any]) -> None:
    """Name the content of an asset in each link to it."""
    if endpoint == "assets.asset":
        values.setdefault("v", load_asset(values["name"]).version)
    elif endpoint == "assets.comparison_style":
        values.setdefault("v", load_asset(COMPARISON_STYLE).version)


@cache
def load_asset(name: str) -> Asset:
    """Read and compress an asset, once in a process."""
    content = render_style().encode() if name == COMPARISON_STYLE else (STATIC / name).read_bytes()
    return Asset.of(name, content)
