"""API resources and the permissions they define."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from app.database.types import Base
from app.models.list_indexes import list_indexes
from app.models.names import LONGEST_KEPT_KEY, name_key

LONGEST_IDENTIFIER = 500  # characters


class Permission(Base):
    """A permission of one resource; its name is the scope string, unique on the whole server."""

    __tablename__ = "permission"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    resource_id: Mapped[str] = mapped_column(ForeignKey("resource.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    name_key: Mapped[str | None] = mapped_column(String(LONGEST_KEPT_KEY), index=True, unique=True)
    description: Mapped[str] = mapped_column(String(1000), default="")
    public: Mapped[bool] = mapped_column(default=False)

    resource: Mapped[Resource] = relationship(back_populates="permissions")

    @validates("name")
    def _follow_name(self, _attribute: str, name: str) -> str:
        self.name_key = name_key(name)
        return name


class Resource(Base):
    """A protected API; its identifier is its resource indicator (RFC 8707 §2). `built_in` marks our own API."""

    __tablename__ = "resource"
    __table_args__ = list_indexes("resource", "listed", "named", "by_identifier", "by_lifetime")

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    identifier: Mapped[str] = mapped_column(String(LONGEST_IDENTIFIER), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    access_token_ttl: Mapped[int] = mapped_column(default=3600)  # seconds
    built_in: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]

    permissions: Mapped[list[Permission]] = relationship(
        back_populates="resource", cascade="all, delete-orphan", passive_deletes=True, order_by=Permission.name
    )
