"""The form of an API key: what it says of a key, and what people type into it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from flask import request

from app.actions.directory.api_keys import MOST_NETWORKS, KeyChanges, KeyView
from app.actions.directory.changes import UNSET
from app.actions.directory.fields import LONGEST_IDENTIFIER
from app.credentials.kind import LONGEST_WINDOW, MOST_REQUESTS, RateLimit
from app.errors import Invalid, Malformed
from app.settings.addresses import read_network
from app.web.form import chosen, day, days_ahead, read_name, ticked, whole

LONGEST_NETWORK = 43  # characters


def changes() -> KeyChanges:
    """Read what a key shall be from now on; raises Invalid."""
    return KeyChanges(
        name=read_name("name"),
        scopes=UNSET if request.form.get("which") == "keep" else scopes(),
        expires_at=UNSET if request.form.get("expires") == "keep" else expires_at(),
        rate_limit=rate_limit(),
        allowed_ips=networks(),
        enabled=ticked("enabled"),
    )


def identifier(given: str | None) -> str | None:
    """Give what may be the identifier of an API, None for an empty one; raises Malformed."""
    if given and (len(given) > LONGEST_IDENTIFIER or not given.isprintable()):  # PostgreSQL would refuse a NUL
        raise Malformed("that is no identifier of an API")
    return given or None


def scopes() -> tuple[str, ...] | None:
    """Give the ticked scopes; None for all that are public, now and later. Raises Invalid."""
    asked = request.form.get("which", "all")
    if asked not in ("all", "some"):
        raise Invalid.field("scopes", "choose all that are public, or some")
    return chosen("scopes") if asked == "some" else None


def expires_at() -> datetime | None:
    """Give when the key shall end, None for never; raises Invalid."""
    asked = request.form.get("expires", "never")
    if asked == "never":
        return None
    if asked != "day":
        raise Invalid.field("expires_at", "is none of the choices")
    ends = day("expires_on")
    if ends is None:
        raise Invalid.field("expires_at", str(days_ahead()))
    return ends


def rate_limit() -> RateLimit | None:
    """Give the limit, None for none; raises Invalid when only half of it is there."""
    requests = whole("requests", 1, MOST_REQUESTS)
    window = whole("window_seconds", 1, LONGEST_WINDOW)
    if requests is None and window is None:
        return None
    if requests is None:
        raise Invalid.field("requests", "is needed beside a window")
    if window is None:
        raise Invalid.field("window_seconds", "is needed beside a number of requests")
    return RateLimit(requests, window)


def networks() -> tuple[str, ...]:
    """Give the networks, one a line or separated by spaces or commas; raises Invalid."""
    given = request.form.get("allowed_ips", "").replace(",", " ").split()
    if len(given) > MOST_NETWORKS:
        raise Invalid.field("allowed_ips", f"are at most {MOST_NETWORKS}")
    for one in given:
        _check_network(one)
    return tuple(given)


def present(key: KeyView, *, again: bool) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Give what the form holds, and the ticked scopes: what was typed when it is shown `again`, else the key's own."""
    if again:
        return request.form, chosen("scopes")
    limit = key.rate_limit
    held = {
        "name": key.name,
        "which": "keep" if key.narrowed else "all",
        "expires": "keep" if key.expires_at else "never",
        "requests": str(limit.requests) if limit else "",
        "window_seconds": str(limit.window_seconds) if limit else "",
        "allowed_ips": "\n".join(key.allowed_ips),
    }
    return held | ({"enabled": "on"} if key.enabled else {}), key.scopes


def _check_network(text: str) -> None:
    """Name the one that is wrong: people paste many."""
    try:
        read_network(text)
    except ValueError:
        shown = text if len(text) <= LONGEST_NETWORK else f"{text[:LONGEST_NETWORK]}…"
        raise Invalid.field("allowed_ips", f"{shown} is no network such as 192.0.2.0/24 or 2001:db8::/32") from None
