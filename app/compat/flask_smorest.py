"""flask-smorest's private name (bound to flask-smorest 0.47): the hook that registers error handlers."""

from __future__ import annotations

import flask_smorest
from flask import Flask
from flask_smorest import Blueprint


class Api(flask_smorest.Api):  # type: ignore[misc]
    """An Api without error handlers; flask-smorest's would replace the whole application's."""

    def _register_error_handlers(self) -> None:
        """Register nothing."""

    def describe(self, app: Flask, blueprint: Blueprint) -> None:
        """Describe a blueprint that the application already serves: `register_blueprint` would do both at once."""
        blueprint.register_views_in_doc(self, app, self.spec, name=blueprint.name, parameters=None)
        self.spec.tag({"name": blueprint.name, "description": blueprint.description})
