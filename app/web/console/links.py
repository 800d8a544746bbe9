"""Where a thing is shown: the room of its kind."""

from __future__ import annotations

from typing import Any

from flask import current_app, url_for

PLACES = {
    "user": "console_users.one",
    "client": "console_clients.one",
    "role": "console_roles.one",
    "resource": "console_resources.one",
    "api_key": "console_api_keys.one",
}


def place_of(kind: str, row_id: str | None) -> str | None:
    """Give the page of a row, None when there is no room for its kind."""
    endpoint = PLACES.get(kind, "")
    rule = next(current_app.url_map.iter_rules(endpoint), None) if endpoint in current_app.view_functions else None
    if rule is None or row_id is None:
        return None
    named: dict[str, Any] = dict.fromkeys(rule.arguments, row_id)
    return url_for(endpoint, **named)
