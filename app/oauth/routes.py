"""The three POST endpoints."""

from __future__ import annotations

from typing import cast

from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Flask, Response, request

from app.compose import Actions
from app.errors import LatchkeyError
from app.http.request import read_request
from app.oauth import cors
from app.oauth.errors import from_authlib, from_latchkey
from app.oauth.form_reader import FormRequest
from app.oauth.server import create_server


def create_blueprint(app: Flask, actions: Actions) -> Blueprint:
    """Return the routes of Authlib's server."""
    server = create_server(app, actions)
    blueprint = Blueprint("oauth", __name__, url_prefix="/oauth")

    def read_form_request() -> FormRequest:
        return FormRequest(request, read_request(request, actions.settings, actions.clock))

    @blueprint.post("/token")
    def token() -> Response:
        return cast(Response, server.create_token_response(read_form_request()))

    @blueprint.post("/introspect")
    def introspect() -> Response:
        form = read_form_request()
        return cast(Response, server.create_endpoint_response("introspection", form))  # type: ignore[no-untyped-call]

    @blueprint.post("/revoke")
    def revoke() -> Response:
        form = read_form_request()
        return cast(Response, server.create_endpoint_response("revocation", form))  # type: ignore[no-untyped-call]

    cors.open_to(blueprint, actions.settings.allowed_origins)
    blueprint.register_error_handler(OAuth2Error, from_authlib)
    blueprint.register_error_handler(LatchkeyError, from_latchkey)
    return blueprint
