"""What keeps a server running and seen: health, metrics, logs, limits, headers. Below the faces, above the actions."""

from __future__ import annotations

from flask import Flask

from app.operations import envelope, health, issuer_path, last_resort, logs, metrics, parts


def register(app: Flask) -> None:
    """Add the operational routes and hooks."""
    settings = parts.actions_of(app).settings
    logs.configure(settings.log_level)
    health.register(app)
    metrics.register(app)
    last_resort.register(app)
    issuer_path.register(app, settings.issuer_path)
    envelope.register(app)
