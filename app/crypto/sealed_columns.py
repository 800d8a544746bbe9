"""The columns that are encrypted under SECRET_KEY, beside the signing keys: counted and encrypted again with them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from app.crypto.seal import Seal
from app.database.types import Base
from app.models import IdentityProvider, OneTimeCode, Webhook

COLUMNS: tuple[tuple[type[Base], tuple[str, ...]], ...] = (
    (Webhook, ("sealed_secret", "sealed_former_secret")),
    (OneTimeCode, ("sealed_secret",)),
    (IdentityProvider, ("sealed_client_secret",)),
)


def sealed_values(connection: Connection | Session) -> Sequence[bytes]:
    """Return every value, encrypted."""
    queries = [select(getattr(table, name)) for table, names in COLUMNS for name in names]
    return [sealed for query in queries for sealed in connection.execute(query).scalars() if sealed is not None]


def reseal_columns(session: Session, seal: Seal) -> None:
    """Encrypt again what an earlier SECRET_KEY encrypted. Raises BadSettings when no accepted key decrypts one."""
    for table, names in COLUMNS:
        for row in session.scalars(select(table).with_for_update()):
            for name in names:
                sealed = getattr(row, name)
                if sealed is not None and not seal.is_current(sealed):
                    setattr(row, name, seal.close(seal.open(sealed)))
