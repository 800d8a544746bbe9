"""The protocol: thin overrides of Authlib. It reads and prints what the RFCs say; the actions decide."""

from __future__ import annotations

from flask import Flask

from app.oauth import errors, forward_auth, metadata, routes


def register(app: Flask) -> None:
    """Add the OAuth endpoints, the metadata and forward-auth."""
    errors.register(app)
    app.register_blueprint(routes.create_blueprint(app))
    app.register_blueprint(metadata.blueprint)
    app.register_blueprint(forward_auth.blueprint)
