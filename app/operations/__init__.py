"""What keeps a server running and seen: health, metrics, logs, limits, headers. Below the faces, above the actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def register(app: Flask) -> None:
    """Add the operational routes and hooks."""
    # Loaded here: the metrics must not be before the server has named the folder that its processes share.
    from app.http import browser, envelope, issuer_path, last_resort, request_bounds, request_target
    from app.http import current as parts
    from app.operations import health, logs, metrics
    from app.operations.ledger import ledger

    settings = parts.actions_of(app).settings
    logs.configure(settings.log_level)
    request_target.register(app, settings.issuer)
    health.register(app)
    metrics.register(app, ledger.settle, settings.metrics_token.get_secret_value())
    last_resort.register(app)
    browser.register(app)
    request_bounds.register(app)
    issuer_path.register(app, settings)
    envelope.register(app, settings.issuer)
