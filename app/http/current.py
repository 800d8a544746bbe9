"""The actions of the application that answers this request, for routes that are not handed them yet."""

from __future__ import annotations

from typing import cast

from flask import Flask, current_app

from app.compose import Actions
from app.http.application import Latchkey


def actions() -> Actions:
    """Return the actions of the application that answers this request."""
    return cast(Latchkey, current_app).actions


def actions_of(app: Flask) -> Actions:
    """Return the actions of an application outside a request."""
    return cast(Latchkey, app).actions
