"""The fields of an app that acts for users, in the form for a new client and in the one that changes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from flask import request

from app.actions.directory.clients import PAGES, ClientView
from app.actions.trust.redirect_uris import MOST_URIS
from app.actions.trust.registration import LONGEST_URI
from app.compose import Actions
from app.models.grant_types import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, DEVICE_CODE, REFRESH_TOKEN, GrantType
from app.web import form

ACTS = "acts"  # for whom a new client does: itself or users
SERVICE: Literal["service"] = "service"
APP: Literal["app"] = "app"
GRANTS: dict[GrantType, tuple[str, str]] = {
    AUTHORIZATION_CODE: ("authorization_code", "Users agree in their browser, which returns to a redirect URI."),
    REFRESH_TOKEN: ("refresh_token", "It renews its tokens without asking again."),
    DEVICE_CODE: ("device_code", "Users agree on another device, for a television or a command line."),
}
MACHINE = ("client_credentials", "It also gets tokens of its own, by its roles.")
USUAL = (AUTHORIZATION_CODE, REFRESH_TOKEN)  # of a new app
GRANT_TYPES, REDIRECT_URIS, SCOPES = "grant_types", "redirect_uris", "scopes"


def read_kind() -> Literal["service", "app"]:
    """Return whether a new client is an app or, unless the form says so, a service; raises Invalid."""
    if ACTS not in request.form:
        return SERVICE
    return APP if form.read_choice(ACTS, SERVICE, APP) == APP else SERVICE


def read_app() -> dict[str, Any]:
    """Return the fields of a record that an app adds; raises Invalid."""
    lines = (line.strip() for line in request.form.get(REDIRECT_URIS, "").splitlines())
    return {
        GRANT_TYPES: form.checked_values(GRANT_TYPES),
        REDIRECT_URIS: tuple(filter(None, lines)),
        SCOPES: form.read_selection(SCOPES) or None,
        **{name: form.read_line(name, LONGEST_URI, required=False) or None for name in PAGES},
    }


def values_of(client: ClientView) -> dict[str, str]:
    """Return what the text fields of the form hold for a client."""
    return {
        REDIRECT_URIS: "\n".join(client.redirect_uris),
        **{name: getattr(client, name) or "" for name in PAGES},
    }


def offer_app(actions: Actions, client: ClientView | None, *, again: bool) -> Mapping[str, object]:
    """Return the boxes of the form and which are ticked: as the client is, or `again` as they were sent."""
    grants = USUAL if client is None else client.grant_types
    scopes = () if client is None else client.scopes or ()
    picked = form.sent_values(SCOPES) if again else list(scopes)
    return {
        "grant_choices": GRANTS if client is None else {CLIENT_CREDENTIALS: MACHINE} | GRANTS,
        "picked_grants": form.sent_values(GRANT_TYPES) if again else grants,
        "app_scopes": actions.choices.permissions({*picked, *scopes}),
        "picked_scopes": picked,
        "longest_uris": MOST_URIS * (LONGEST_URI + 2),
    }
