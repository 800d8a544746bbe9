"""The addresses of an app's own pages: https, or http on loopback, and nothing that a browser would run."""

from __future__ import annotations

from app.actions.trust.redirect_uris import is_web, split_uri
from app.errors import Invalid


def checked_page_uri(text: str | None, field: str) -> str | None:
    """Return the address, None for none; raises Invalid. Unlike a redirect URI it may have a fragment."""
    if text is not None and not is_web(split_uri(text.replace("#", "/", 1), field)):
        raise Invalid.field(field, "must be an https URL, or http on a loopback host, without a user")
    return text
