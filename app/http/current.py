"""The faces' one door to the actions that create_app joined."""

from __future__ import annotations

from typing import cast

from flask import Flask, current_app

from app.compose import Actions

KEY = "latchkey"


def attach(app: Flask, actions: Actions) -> None:
    """Hand the joined actions to a Flask application."""
    app.extensions[KEY] = actions


def actions() -> Actions:
    """Give the actions of the application that answers this request."""
    return cast(Actions, current_app.extensions[KEY])


def actions_of(app: Flask) -> Actions:
    """Give the actions of an application outside a request."""
    return cast(Actions, app.extensions[KEY])
