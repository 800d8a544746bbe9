"""The status of what can expire and be revoked: of a loaded row, and as a criterion of a query."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, and_, or_

from app.access.listing import end_of
from app.actions.directory.fields import Status


class Revocable(Protocol):
    """A row, or its table, that can expire and be revoked."""

    expires_at: Any
    revoked_at: Any


def status_of(row: Revocable, now: datetime) -> Status:
    """Return the status of a row; a revoked one that has expired, too, is revoked."""
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "active"


def is_enabled(table: Any, enabled: bool | None) -> ColumnElement[bool] | None:
    """Return the criterion for the enabled rows of a table, or for the disabled ones; None for all."""
    if enabled is None:
        return None
    criterion: ColumnElement[bool] = table.enabled
    return criterion if enabled else ~criterion


def has_status(table: type[Revocable], status: Status, now: datetime) -> ColumnElement[bool]:
    """Return the criterion for rows of this status."""
    revoked: ColumnElement[bool] = table.revoked_at.is_not(None)
    expired = end_of(table.expires_at) <= now
    live = or_(table.expires_at.is_(None), table.expires_at > now)
    return {"revoked": revoked, "expired": and_(~revoked, expired), "active": and_(~revoked, live)}[status]
