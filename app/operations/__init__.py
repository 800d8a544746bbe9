"""What keeps a server running and seen: health, metrics, logs, limits, headers. Below the faces, above the actions."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add the operational routes and hooks."""
