"""Running a server and watching it: health, metrics, logs, limits of threads and connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.compose import Actions

if TYPE_CHECKING:
    from flask import Flask

    from app.operations.request_log import RequestLog


def register(app: Flask, actions: Actions, request_log: RequestLog, certificate_header: str) -> None:
    """Add the operational routes; `certificate_header` names what a proxy forwards a client certificate in, if any."""
    # Loaded here: the server names the folder that its processes share before the metrics are loaded.
    from app.operations import health, logs, metrics

    settings = actions.settings
    logs.configure(settings.log_level)
    health.register(app, actions.store, settings, certificate_header)
    metrics.register(app, request_log.flush, settings.metrics_token.get_secret_value())
