"""The indexes of lists: one for each order in which a table is read, and one for each filter that few rows pass."""

from __future__ import annotations

from sqlalchemy import Index, TextClause, text

NEVER = 2**63 - 1  # the end of what does not expire, as a stored instant
ORDERS: dict[str, str | TextClause] = {
    "listed": "created_at",
    "ends": text(f"coalesce(expires_at, {NEVER})"),
    "used": text("coalesce(last_used_at, created_at)"),
    "named": text("lower(name)"),
    "by_username": text("lower(username)"),
    "by_display_name": text("lower(display_name)"),
    "by_email": text("coalesce(lower(email), '')"),
    "by_client_id": text("lower(client_id)"),
    "by_identifier": text("lower(identifier)"),
    "by_lifetime": "access_token_ttl",
}


def list_indexes(table: str, *orders: str) -> tuple[Index, ...]:
    """Return the indexes of a table by these orders; the id makes each a total order."""
    return tuple(Index(f"ix_{table}_{order}", ORDERS[order], "id") for order in orders)


def revoked_index(table: str) -> Index:
    """Return the index of the revoked rows, which are few."""
    revoked = text("revoked_at IS NOT NULL")
    return Index(f"ix_{table}_revoked", "created_at", "id", sqlite_where=revoked, postgresql_where=revoked)


def disabled_index(table: str) -> Index:
    """Return the index of the disabled rows, which are few."""
    sqlite, postgresql = text("enabled = 0"), text("NOT enabled")
    return Index(f"ix_{table}_disabled", "created_at", "id", sqlite_where=sqlite, postgresql_where=postgresql)
