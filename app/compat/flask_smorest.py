"""flask-smorest's private name (bound to flask-smorest 0.47): the hook that registers error handlers."""

from __future__ import annotations

import flask_smorest


class Api(flask_smorest.Api):  # type: ignore[misc]
    """An Api without error handlers; flask-smorest's would replace the whole application's."""

    def _register_error_handlers(self) -> None:
        """Register nothing."""
