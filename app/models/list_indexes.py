"""The indexes of the list of all credentials: each table of them has one for each order in which it is read."""

from __future__ import annotations

from sqlalchemy import Index, TextClause, text

NEVER = 2**63 - 1  # the end of what does not expire, as a stored instant
ORDERS: dict[str, str | TextClause] = {
    "listed": "created_at",
    "ends": text(f"coalesce(expires_at, {NEVER})"),
    "used": text("coalesce(last_used_at, created_at)"),
    "named": text("lower(name)"),
}


def list_indexes(table: str, *orders: str) -> tuple[Index, ...]:
    """Return the indexes of a table by these orders; the id makes each a total order."""
    return tuple(Index(f"ix_{table}_{order}", ORDERS[order], "id") for order in orders)


def revoked_index(table: str) -> Index:
    """Return the index of the revoked rows, which are few."""
    revoked = text("revoked_at IS NOT NULL")
    return Index(f"ix_{table}_revoked", "created_at", "id", sqlite_where=revoked, postgresql_where=revoked)
