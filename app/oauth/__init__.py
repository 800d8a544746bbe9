"""The OAuth protocol: thin overrides of Authlib that parse and render what the RFCs define; the actions decide."""

from __future__ import annotations

from typing import cast

from apispec import APISpec
from flask import Flask

from app.compose import Actions
from app.http.application import Latchkey
from app.oauth import errors, forward_auth, metadata, registration, routes, status_lists
from app.oauth.authorization_pages import AuthorizationPages
from app.oauth.description import describe_endpoints, list_endpoints
from app.oauth.registration_description import list_registration_endpoints

__all__ = ["describe", "register"]


def register(app: Flask, actions: Actions, pages: AuthorizationPages) -> None:
    """Add the OAuth endpoints, the metadata and forward-auth; `pages` are what a user sees of an authorization."""
    errors.register(app)
    app.register_blueprint(routes.create_blueprint(app, actions, pages))
    app.register_blueprint(registration.create_blueprint(actions))
    app.register_blueprint(metadata.create_blueprint(actions))
    app.register_blueprint(status_lists.create_blueprint(actions))
    app.register_blueprint(forward_auth.create_blueprint(actions))


def describe(app: Flask, spec: APISpec, issuer: str) -> None:
    """Add the endpoints that this server offers to the description of its API."""
    settings = cast(Latchkey, app).actions.settings
    describe_endpoints(app, spec, [*list_endpoints(issuer), *list_registration_endpoints(settings)])
