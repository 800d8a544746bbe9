"""The OAuth protocol: thin overrides of Authlib that parse and render what the RFCs define; the actions decide."""

from __future__ import annotations

from flask import Flask

from app.compose import Actions
from app.oauth import errors, forward_auth, metadata, routes
from app.oauth.description import describe

__all__ = ["describe", "register"]


def register(app: Flask, actions: Actions) -> None:
    """Add the OAuth endpoints, the metadata and forward-auth."""
    errors.register(app)
    app.register_blueprint(routes.create_blueprint(app, actions))
    app.register_blueprint(metadata.create_blueprint(actions))
    app.register_blueprint(forward_auth.create_blueprint(actions))
