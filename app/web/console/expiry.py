"""When a credential of a form ends: after a number of days, at the end of a day, or as the form calls having no end."""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import request

from app.actions.directory.lifetime import LONGEST_EXPIRES_IN
from app.errors import Invalid
from app.web import form

WITHOUT = ("never", "default")  # what the forms call the choice that names no end


def read_expiry(now: datetime, longest: int | None = None) -> datetime | None:
    """Return when the credential ends, None for the choice without an end; raises Invalid."""
    choice = request.form.get("expires") or ("day" if request.form.get("expires_on") else WITHOUT[0])
    if choice in WITHOUT:
        return None
    if choice == "in":
        return now + timedelta(seconds=_read_seconds(longest))
    if choice != "day":
        raise Invalid.field("expires_at", "must be one of the choices below")
    days = form.days_ahead(now, longest)
    expires_at = form.read_day("expires_on", days)
    if expires_at is None:
        raise Invalid.field("expires_at", str(days))
    return expires_at


def _read_seconds(longest: int | None) -> int:
    most = LONGEST_EXPIRES_IN if longest is None else min(longest, LONGEST_EXPIRES_IN)
    seconds = form.read_duration("expires_in", 1, most)
    if seconds is None:
        raise Invalid.field("expires_in", "is needed: name a number of days")
    return seconds
