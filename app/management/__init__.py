"""The REST API: it parses requests, authorizes them by one table, calls an action and prints; it decides nothing else.

A module for each path of the contract. Every operation below /api/v1 is in the table of authorization.py, or is refused
to everybody; every refusal is answered by errors.py. Bodies become the actions' own frozen records.
"""

from __future__ import annotations

from flask import Flask

from app.compose import Actions
from app.management import (
    api_keys,
    apps,
    audit_events,
    authorization,
    clients,
    comparison,
    credentials,
    docs,
    document,
    errors,
    federated_credentials,
    identities,
    identity_providers,
    me,
    personal_access_tokens,
    resources,
    roles,
    signing_keys,
    usage,
    users,
    webhooks,
)
from app.management.blueprint import RowId, ScopeName

SUBJECTS = (
    resources,
    roles,
    users,
    identity_providers,
    identities,
    webhooks,
    personal_access_tokens,
    clients,
    federated_credentials,
    api_keys,
    signing_keys,
    audit_events,
    credentials,
    usage,
    comparison,
    me,
    apps,
)


def register(app: Flask, actions: Actions, describe_further: document.Describe) -> None:
    """Add the operations, their description, with that of further endpoints, and the page about them."""
    app.url_map.converters |= {"row": RowId, "scope": ScopeName}
    errors.register(app)
    authorization.register(app, actions)
    subjects = [subject.operations for subject in SUBJECTS]
    for operations in subjects:
        app.register_blueprint(operations.create_blueprint(actions))
    description = document.Description(app, subjects, describe_further, actions.settings.issuer)
    document.register(app, description)
    docs.register(app, description, actions.settings.issuer)
