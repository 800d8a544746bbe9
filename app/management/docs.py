"""/api/docs: a page to read and try the API, rendered from its description. It loads nothing from another host."""

from __future__ import annotations

import gzip
import re
import secrets
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from flask import Blueprint, Flask, Response, render_template, request, url_for
from markupsafe import Markup, escape
from werkzeug.wrappers import Response as AnyResponse

from app.http.asset import Asset, accepts_gzip
from app.management.docs_view import list_sections
from app.management.document import Description

STATIC = Path(__file__).with_name("static")
ASSETS = ("docs.css", "docs.js")
NONCE = secrets.token_urlsafe(18)  # in the rendered page; each answer replaces it by its own
CODE = re.compile(r"`([^`]+)`")
POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def register(app: Flask, description: Description, issuer: str) -> None:
    """Add the page and its two assets. The page's frame is the template of the other pages, `base.html`."""
    docs = Blueprint("docs", __name__, url_prefix="/api", template_folder="templates")
    docs.add_app_template_filter(mark_code)
    docs.add_url_rule("/docs", "page", _Page(description, issuer))
    docs.add_url_rule(f"/docs/assets/<any({', '.join(map(repr, ASSETS))}):name>", "asset", serve_asset)
    app.register_blueprint(docs)


@dataclass(frozen=True, slots=True)
class _Page:
    """Answers with the page; its policy allows only its own scripts."""

    description: Description
    issuer: str

    def __call__(self) -> Response:
        nonce = secrets.token_urlsafe(18)
        page = _render(self.description, self.issuer, request.script_root).replace(NONCE, nonce).encode()
        response = Response(page, content_type="text/html; charset=utf-8")
        if accepts_gzip():  # nothing on the page is secret, so its length may be seen
            response.data = gzip.compress(page, compresslevel=6, mtime=0)
            response.headers["Content-Encoding"] = "gzip"
        response.vary.add("Accept-Encoding")
        response.headers["Content-Security-Policy"] = POLICY.format(nonce=nonce)
        return response


@lru_cache(maxsize=4)  # rendering costs four times as much as the rest of an answer
def _render(description: Description, issuer: str, _root: str) -> str:
    """Render the page of an issuer below a root, with NONCE in the place of the nonce."""
    document = description.document()
    contents = {"info": document["info"], "sections": list_sections(document, issuer)}
    return render_template("docs.html", nonce=NONCE, link=link_asset, **contents)


def mark_code(text: str) -> Markup:
    """Return a text of the description as HTML, with what is between backticks as code."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def link_asset(name: str) -> str:
    """Return the address of an asset, which names its content."""
    return url_for("docs.asset", name=name, v=load_asset(name).version)


def serve_asset(name: str) -> AnyResponse:
    """Return one of the page's files."""
    return load_asset(name).send()


@cache
def load_asset(name: str) -> Asset:
    """Read and compress an asset, once in a process."""
    return Asset.of(name, (STATIC / name).read_bytes())
