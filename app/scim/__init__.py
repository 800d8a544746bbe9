"""SCIM 2.0 (RFC 7643, RFC 7644): it parses requests, calls an action and prints; it decides nothing else.

Every caller holds the scope `scim` of the management API. What reads and prints resources (`scim2_models`) is loaded
by the first authenticated call: a server that nobody provisions saves its memory, a stranger's call costs a refusal.
"""

from __future__ import annotations

from flask import Flask

from app.compose import Actions
from app.http import bearer_refusals
from app.scim import errors, routes


def register(app: Flask, actions: Actions) -> None:
    """Add the endpoints."""
    errors.register(app)
    bearer_refusals.register(app, actions, routes.PREFIX)
    app.register_blueprint(routes.create_blueprint(actions))
