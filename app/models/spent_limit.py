"""Rate-limit windows of a node without Redis."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base


class SpentLimit(Base):
    """The number of uses in the current window of a limit."""

    __tablename__ = "spent_limit"

    key: Mapped[str] = mapped_column(String(300), primary_key=True)
    hits: Mapped[int]
    ends_at: Mapped[datetime] = mapped_column(index=True)
