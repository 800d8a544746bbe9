"""/console: an operator's pages, a file a thing. They hold `manage`, or see nothing; they decide nothing."""

from __future__ import annotations

from flask import Flask

from app.web.console import (
    api_keys,
    audit,
    client_secrets,
    clients,
    federated_credentials,
    holders,
    overview,
    resources,
    roles,
    search,
    signing_keys,
    user_tokens,
    users,
)

ROOMS = (
    overview,
    resources,
    roles,
    users,
    user_tokens,
    clients,
    client_secrets,
    federated_credentials,
    api_keys,
    signing_keys,
    audit,
    holders,
    search,
)


def register(app: Flask) -> None:
    """Add the operator's rooms."""
    for room in ROOMS:
        app.register_blueprint(room.blueprint)
