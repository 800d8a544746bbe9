"""The three POST endpoints."""

from __future__ import annotations

from typing import cast

from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Flask, Response

from app.errors import LatchkeyError
from app.http.current import actions_of
from app.oauth import cors
from app.oauth.errors import from_authlib, from_latchkey
from app.oauth.server import create_server


def create_blueprint(app: Flask) -> Blueprint:
    """Join Authlib's server with its routes."""
    server = create_server(app)
    blueprint = Blueprint("oauth", __name__, url_prefix="/oauth")

    @blueprint.post("/token")
    def token() -> Response:
        return cast(Response, server.create_token_response())

    @blueprint.post("/introspect")
    def introspect() -> Response:
        return cast(Response, server.create_endpoint_response("introspection"))  # type: ignore[no-untyped-call]

    @blueprint.post("/revoke")
    def revoke() -> Response:
        return cast(Response, server.create_endpoint_response("revocation"))  # type: ignore[no-untyped-call]

    cors.open_to(blueprint, actions_of(app).settings.allowed_origins)
    blueprint.register_error_handler(OAuth2Error, from_authlib)
    blueprint.register_error_handler(LatchkeyError, from_latchkey)
    return blueprint
