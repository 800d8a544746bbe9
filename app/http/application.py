"""The Flask application of this server."""

from __future__ import annotations

from flask import Flask

from app.compose import Actions
from app.operations.request_log import RequestLog


class Latchkey(Flask):
    """Flask's application, with what the process that runs it must start and stop; routes are handed the actions."""

    actions: Actions
    request_log: RequestLog
