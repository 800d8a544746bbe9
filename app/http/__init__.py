"""The context of a request, read at the edge: address, request id, browser session, certificate, proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.operations.finished_request import TraceRequest
from app.settings.settings import Settings

if TYPE_CHECKING:
    from flask import Flask


def register(app: Flask, settings: Settings, trace: TraceRequest | None) -> None:
    """Wrap the application: what is registered last is outermost. `trace` takes each request, if it is traced."""
    # Loaded here: the server names the folder that its processes share before the metrics are loaded.
    from app.http import browser, envelope, issuer_path, last_resort, request_bounds, request_target

    request_target.register(app, settings.issuer)
    last_resort.register(app)
    browser.register(app, settings)
    request_bounds.register(app)
    issuer_path.register(app, settings)
    envelope.register(app, settings.issuer, trace)
