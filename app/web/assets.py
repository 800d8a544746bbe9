"""The style sheets, scripts and icons of the pages, served by this server: a page loads nothing from another host.

The address of an asset names its content (`?v=`), so that browsers keep it for good and load it again when it changes.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request

from app.web.compare.page import render_style

STATIC = Path(__file__).with_name("static")
MAX_AGE = 86_400  # seconds that a browser caches an asset whose address does not name its content
FOR_GOOD = "public, max-age=31536000, immutable"
ASSETS = ("tabler.min.css", "latchkey.css", "htmx.min.js", "latchkey.js", "icons.svg", "logo.svg")
COMPARISON_STYLE = "comparison.css"  # rendered from a template

blueprint = Blueprint("assets", __name__, url_prefix="/assets", template_folder="templates")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent, plain and compressed."""

    plain: bytes
    compressed: bytes
    media_type: str
    version: str

    @classmethod
    def of(cls, name: str, content: bytes) -> Asset:
        """Compress a file; equal files give equal bytes on every node."""
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        version = hashlib.sha256(content).hexdigest()[:16]
        return cls(content, gzip.compress(content, mtime=0), media_type, version)


@blueprint.get(f"/<any({', '.join(map(repr, ASSETS))}):name>")
def asset(name: str) -> Response:
    """Return a style sheet, a script or a picture."""
    return _send(load_asset(name))


@blueprint.get(f"/{COMPARISON_STYLE}")
def comparison_style() -> Response:
    """Return the style sheet of the comparison's table; `latchkey compare --html` writes it into its file."""
    return _send(load_asset(COMPARISON_STYLE))


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


def _send(found: Asset) -> Response:
    """Return the asset, compressed where the client takes that, or 304 for the version that it has."""
    response = Response(found.plain, content_type=f"{found.media_type}; charset=utf-8")
    if request.accept_encodings["gzip"] > 0:
        response.data = found.compressed
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    response.set_etag(found.version, weak=True)  # RFC 9110 §8.8.3: one tag for both encodings
    named = request.args.get("v") == found.version
    response.headers["Cache-Control"] = FOR_GOOD if named else f"public, max-age={MAX_AGE}"
    response.make_conditional(request)
    return response
