"""Insert very many rows, and limit how long a page may take with them."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from app.models import PersonalAccessToken

MANY = 100_000
PATIENCE = 3.0  # seconds for a page; it takes a small part of one


def many_tokens(session: Session, owner: str, now: datetime) -> list[dict[str, Any]]:
    """Insert that many live tokens of a user; return their rows."""
    shared = {"user_id": owner, "description": "", "hint": "h", "generation": 1, "name_held": False}
    times = {"created_at": now, "issued_at": now, "expires_at": now + timedelta(days=30)}
    rows = [{"id": f"pat_{n}", "name": f"n{n}", "digest": f"{n:064d}", **shared, **times} for n in range(MANY)]
    session.connection().execute(insert(PersonalAccessToken), rows)
    return rows
