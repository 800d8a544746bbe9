"""The form of an API key: the fields as an operator fills them in, and as they show an existing key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from flask import request

from app.actions.directory.api_keys import MOST_NETWORKS, KeyChanges, KeyView, NewKey
from app.actions.directory.changes import UNSET
from app.actions.directory.fields import LONGEST_IDENTIFIER
from app.credentials.kind import LONGEST_WINDOW, MOST_REQUESTS, RateLimit
from app.errors import Invalid, Malformed
from app.settings.addresses import read_network
from app.web import form
from app.web.console.expiry import read_expiry
from app.web.moments import split_duration

LONGEST_NETWORK = 43  # characters
DEFAULT_WINDOW = 60  # seconds; the form offers its unit


def read_new_key(resource: str, now: datetime) -> NewKey:
    """Read the form of a new key; raises Invalid."""
    return NewKey(
        name=form.read_name("name"),
        resource=resource,
        scopes=_read_scopes(),
        expires_at=read_expiry(now),
        rate_limit=_read_rate_limit(),
        allowed_ips=_read_networks(),
    )


def read_changes(now: datetime) -> KeyChanges:
    """Read the form that changes a key; raises Invalid."""
    return KeyChanges(
        name=form.read_name("name"),
        scopes=UNSET if request.form.get("which") == "keep" else _read_scopes(),
        expires_at=UNSET if request.form.get("expires") == "keep" else read_expiry(now),
        rate_limit=_read_rate_limit(),
        allowed_ips=_read_networks(),
        enabled=form.is_checked("enabled"),
    )


def check_identifier(identifier: str | None) -> str | None:
    """Return what may be the identifier of an API, None for an empty one; raises Malformed."""
    if identifier and (len(identifier) > LONGEST_IDENTIFIER or not identifier.isprintable()):  # PostgreSQL refuses NUL
        raise Malformed("that is not a valid identifier of an API: use an absolute URI")
    return identifier or None


def field_values(key: KeyView, *, again: bool) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return the values of the fields and the ticked scopes: of the key, or `again` as they were sent."""
    if again:
        return request.form, form.checked_values("scopes")
    limit = key.rate_limit
    window, unit = split_duration(limit.window_seconds if limit else DEFAULT_WINDOW)
    fields = {
        "name": key.name,
        "which": "keep" if key.narrowed else "all",
        "expires": "keep" if key.expires_at else "never",
        "requests": str(limit.requests) if limit else "",
        "window_seconds": str(window) if limit else "",
        "window_seconds_unit": unit,
        "allowed_ips": "\n".join(key.allowed_ips),
    }
    return fields | ({"enabled": "on"} if key.enabled else {}), key.scopes


def _read_scopes() -> tuple[str, ...] | None:
    """Return the ticked scopes, None for all that are public, now and later; raises Invalid."""
    which = request.form.get("which", "all")
    if which not in ("all", "some"):
        raise Invalid.field("scopes", "choose all that are public, or some")
    return form.checked_values("scopes") if which == "some" else None


def _read_rate_limit() -> RateLimit | None:
    """Return the rate limit, None for none; raises Invalid when one of its two fields is empty."""
    requests = form.read_integer("requests", 1, MOST_REQUESTS)
    window = form.read_duration("window_seconds", 1, LONGEST_WINDOW)
    if requests is None and window is None:
        return None
    if requests is None:
        raise Invalid.field("requests", "is needed beside a window")
    if window is None:
        raise Invalid.field("window_seconds", "is needed beside a number of requests")
    return RateLimit(requests, window)


def _read_networks() -> tuple[str, ...]:
    """Return the networks, separated by lines, spaces or commas; raises Invalid, which names the one that is wrong."""
    networks = request.form.get("allowed_ips", "").replace(",", " ").split()
    if len(networks) > MOST_NETWORKS:
        raise Invalid.field("allowed_ips", f"must be at most {MOST_NETWORKS}")
    for network in networks:
        _check_network(network)
    return tuple(networks)


def _check_network(network: str) -> None:
    try:
        read_network(network)
    except ValueError:
        name = network if len(network) <= LONGEST_NETWORK else f"{network[:LONGEST_NETWORK]}…"
        message = f"{name} is not a valid network: use one such as 192.0.2.0/24 or 2001:db8::/32"
        raise Invalid.field("allowed_ips", message) from None
