"""Links to the page of a user, client, role, API or key, and to the list of credentials with a filter."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from flask import url_for

from app.actions.insight.credentials import CredentialFilter
from app.actions.insight.event_names import NamedRow

PAGES = {  # the endpoint of each kind, and the variable part of its path
    "user": ("console_users.show", "user_id"),
    "client": ("console_clients.show", "client_row_id"),
    "role": ("console_roles.show", "role_id"),
    "resource": ("console_resources.show", "resource_id"),
    "api_key": ("console_api_keys.show", "key_id"),
    "webhook": ("console_webhooks.show", "webhook_id"),
    "identity_provider": ("console_identity_providers.show", "provider_id"),
}
PLAIN = ("personal_access_token", "grant", "oauth_token")  # credentials whose page is the one that shows any kind

PLACES = {
    "personal_access_token": "#tokens",
    "client_secret": "#secrets",
    "federated_credential": "#federated",
    "grant": "#apps",
}


def page_of(kind: str, row_id: str | None) -> str | None:
    """Return the address of the page of a row; None for a kind that has no page of its own."""
    if kind not in PAGES or row_id is None:
        return None
    endpoint, name = PAGES[kind]
    variable: dict[str, Any] = {name: row_id}
    return url_for(endpoint, **variable)


def page_of_credential(kind: str, row_id: str | None) -> str | None:
    """Return the address of the page of a credential, by its kind in lists or as it is counted; None without one."""
    if kind in PLAIN and row_id is not None:
        return url_for("console_credentials.show", credential_id=row_id)
    return page_of(kind, row_id)


def page_of_named(kind: str, row: NamedRow) -> str | None:
    """Return the address of the page of what an event names, or else of the part of its owner's page that shows it."""
    if own := page_of(kind, row.id):
        return own
    owner = page_of(row.owner_type or "", row.owner_id)
    return f"{owner}{PLACES.get(kind, '')}" if owner else None


def list_of(wanted: CredentialFilter) -> str:
    """Return the address of the list of credentials with a filter."""
    query: dict[str, Any] = {name: _query_value(value) for name, value in asdict(wanted).items() if value is not None}
    return url_for("console_credentials.index", **query)


def _query_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else str(value)
