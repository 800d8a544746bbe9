"""/api/docs: a page to read and try the API. Nothing on it comes from another host."""

from __future__ import annotations

import secrets
from pathlib import Path
from string import Template

from flask import Blueprint, Flask, Response, send_from_directory

STATIC = Path(__file__).with_name("static")
ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css")
MAX_AGE = 86_400  # seconds for which a browser caches the assets
PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Latchkey management API</title>
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="api"></div>
<noscript>The description itself is at <a href="v1/openapi.json">v1/openapi.json</a>.</noscript>
<script nonce="$nonce" src="docs/assets/swagger-ui-bundle.js"></script>
<script nonce="$nonce">
SwaggerUIBundle({url: "v1/openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null, docExpansion: "none"});
</script>
</body>
</html>
""")


def register(app: Flask, description: object) -> None:
    """Add the page and its two assets."""
    docs = Blueprint("docs", __name__, url_prefix="/api")
    docs.add_url_rule("/docs", "page", serve_page)
    docs.add_url_rule(f"/docs/assets/<any({', '.join(map(repr, ASSETS))}):name>", "asset", serve_asset)
    app.register_blueprint(docs)


def serve_page() -> Response:
    """Return the page; its policy allows only its own scripts."""
    nonce = secrets.token_urlsafe(18)
    response = Response(PAGE.substitute(nonce=nonce), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return response


def serve_asset(name: str) -> Response:
    """Return one of the vendored files."""
    response = send_from_directory(STATIC, name, max_age=MAX_AGE)
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    return response
