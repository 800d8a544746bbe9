"""The REST API: it parses, lets in by one table, asks an action and prints; it decides nothing else.

A file a path of the contract. Every operation below /api/v1 stands in the table of authorization.py, or is refused to
everybody; every refusal goes out through errors.py. Bodies become the actions' own frozen values at the border.
"""

from __future__ import annotations

from flask import Flask

from app.management import (
    api_keys,
    audit_events,
    authorization,
    clients,
    comparison,
    credentials,
    docs,
    document,
    errors,
    federated_credentials,
    me,
    personal_access_tokens,
    resources,
    roles,
    signing_keys,
    users,
)
from app.management.blueprint import RowId, ScopeName

ROOMS = (
    resources,
    roles,
    users,
    personal_access_tokens,
    clients,
    federated_credentials,
    api_keys,
    signing_keys,
    audit_events,
    credentials,
    comparison,
    me,
)


def register(app: Flask) -> None:
    """Add the operations, their description and the page about them."""
    app.url_map.converters |= {"row": RowId, "scope": ScopeName}
    errors.register(app)
    authorization.register(app)
    document.register(app, [room.blueprint for room in ROOMS])
    docs.register(app)
