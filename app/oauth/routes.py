"""The endpoints of Authlib's server: the one for browsers, and those for clients."""

from __future__ import annotations

from typing import cast

from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Flask, Response, g, request

from app.compose import Actions
from app.errors import LatchkeyError
from app.http.request import read_request
from app.oauth import cors, refusal_log
from app.oauth.authorization import AuthorizationEndpoint
from app.oauth.authorization_pages import AuthorizationPages
from app.oauth.caller import anonymous_actor
from app.oauth.client_authentication import claimed_client_id
from app.oauth.errors import from_authlib, from_latchkey
from app.oauth.form_reader import FormRequest
from app.oauth.server import create_server


def create_blueprint(app: Flask, actions: Actions, pages: AuthorizationPages) -> Blueprint:
    """Return the routes of Authlib's server."""
    server = create_server(app, actions)
    blueprint = Blueprint("oauth", __name__, url_prefix="/oauth")

    def read_form_request(*, discover: bool = False) -> FormRequest:
        """Read the form; an app that it names by the URL of its document is brought up to date first."""
        form = FormRequest(request, read_request(request, actions.settings, actions.clock))
        g.oauth_form = form
        client_id = claimed_client_id(form)
        actions.client_documents.refresh(client_id, anonymous_actor(form.context), discover=discover)
        return form

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

    @blueprint.post("/device_authorization")
    def authorize_device() -> Response:
        form = read_form_request(discover=True)
        return cast(Response, server.create_endpoint_response("device_authorization", form))  # type: ignore[no-untyped-call]

    authorization = AuthorizationEndpoint(server, actions, pages)
    blueprint.add_url_rule("/authorize", "authorize", authorization.show, methods=["GET", "POST"])
    blueprint.add_url_rule("/authorize/consent", "answer_consent", authorization.answer, methods=["POST"])
    cors.open_to(blueprint, actions.settings.allowed_origins, ("token", "revoke"))
    refusal_log.register(blueprint, actions)
    blueprint.register_error_handler(OAuth2Error, from_authlib)
    blueprint.register_error_handler(LatchkeyError, from_latchkey)
    return blueprint
