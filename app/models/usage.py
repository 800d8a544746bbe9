"""How often each credential was used and refused, by hour and by day."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base
from app.models.resource import LONGEST_IDENTIFIER

SUCCESS = "ok"  # the outcome of a use; a refusal has its reason as the outcome


class Counted:
    """The columns of a count: whose it is, when it began, what came of the uses and at which resource.

    `credential_id` is the row of a personal access token, an API key, a client or an app's grant; `target` is which of
    them. The row outlives what it counts.
    """

    credential_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True, index=True)
    outcome: Mapped[str] = mapped_column(String(40), primary_key=True)
    resource: Mapped[str] = mapped_column(String(LONGEST_IDENTIFIER), primary_key=True)  # empty: several, or none
    target: Mapped[str] = mapped_column(String(40))
    uses: Mapped[int] = mapped_column(BigInteger)
    last_used_at: Mapped[datetime]
    last_address: Mapped[str | None] = mapped_column(String(50))  # or its network, by KEEP_ADDRESSES
    last_server: Mapped[str | None] = mapped_column(String(200))  # a client_id, or a name of this server's endpoint


class UsageHour(Counted, Base):
    """The uses of one hour; `starts_at` is its beginning in UTC."""

    __tablename__ = "usage_hour"


class UsageDay(Counted, Base):
    """The uses of one day; `starts_at` is its beginning in UTC."""

    __tablename__ = "usage_day"
