"""Alembic's entry: run the revisions on the connection of app.migrations, inside its transaction."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from app.database.types import Instant
from app.migrations.run import OPTIONS


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Render an Instant as its database column, because a revision must not change with our code."""
    return "sa.BigInteger()" if kind == "type" and isinstance(item, Instant) else False


context.configure(connection=context.config.attributes["connection"], render_item=render_item, **OPTIONS)
with context.begin_transaction():
    context.run_migrations()
