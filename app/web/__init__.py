"""The pages: server-rendered, nothing on them from another host; they show and decide nothing."""

from __future__ import annotations

from flask import Flask

from app.web import comparison, pages


def register(app: Flask) -> None:
    """Add the pages and their assets."""
    for room in (pages, comparison):
        app.register_blueprint(room.blueprint)
