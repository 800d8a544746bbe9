"""Roles: named bundles of permissions, for users or for machines."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, false
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from app.database.types import Base
from app.models.list_indexes import list_indexes
from app.models.names import LONGEST_KEPT_KEY, name_key
from app.models.resource import Permission


class RolePermission(Base):
    """A permission that a role grants."""

    __tablename__ = "role_permission"

    role_id: Mapped[str] = mapped_column(ForeignKey("role.id", ondelete="CASCADE"), primary_key=True)
    permission_id: Mapped[str] = mapped_column(
        ForeignKey("permission.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Role(Base):
    """A role; its `type`, `user` or `machine`, decides to whom it can be assigned."""

    __tablename__ = "role"
    __table_args__ = (*list_indexes("role", "listed", "named"), Index("ix_role_type", "type", "created_at", "id"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    name_key: Mapped[str | None] = mapped_column(String(LONGEST_KEPT_KEY), index=True, unique=True)
    type: Mapped[str] = mapped_column(String(10))
    description: Mapped[str] = mapped_column(String(1000), default="")
    created_at: Mapped[datetime]
    provisioned: Mapped[bool] = mapped_column(default=False, server_default=false())  # its members are SCIM's
    external_id: Mapped[str | None] = mapped_column(String(255), index=True)
    updated_at: Mapped[datetime | None]

    permissions: Mapped[list[Permission]] = relationship(
        secondary="role_permission", order_by=Permission.name, passive_deletes=True
    )

    @validates("name")
    def _follow_name(self, _attribute: str, name: str) -> str:
        self.name_key = name_key(name)
        return name
