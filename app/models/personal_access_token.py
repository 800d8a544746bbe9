"""Personal access tokens and their selected scopes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from app.database.types import Base
from app.models.list_indexes import list_indexes, revoked_index
from app.models.names import LONGEST_KEPT_KEY, name_key
from app.models.resource import Permission, Resource
from app.models.user import User


class PersonalAccessTokenScope(Base):
    """A selected scope. The row outlives its permission, because it also records the audience."""

    __tablename__ = "personal_access_token_scope"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_id: Mapped[str] = mapped_column(ForeignKey("personal_access_token.id", ondelete="CASCADE"), index=True)
    resource_id: Mapped[str] = mapped_column(ForeignKey("resource.id", ondelete="CASCADE"), index=True)
    permission_id: Mapped[str | None] = mapped_column(ForeignKey("permission.id", ondelete="SET NULL"), index=True)

    permission: Mapped[Permission | None] = relationship()
    resource: Mapped[Resource] = relationship()


class PersonalAccessToken(Base):
    """A user's token. `generation` counts its secrets: a regenerated token is the same row with a new digest."""

    __tablename__ = "personal_access_token"
    __table_args__ = (
        Index(  # a name is unique per user among live tokens
            "uq_personal_access_token_live_name",
            "user_id",
            "name",
            unique=True,
            sqlite_where=text("name_held"),
            postgresql_where=text("name_held"),
        ),
        Index(
            "uq_personal_access_token_live_name_key",
            "user_id",
            "held_as",
            unique=True,
            sqlite_where=text("name_held"),
            postgresql_where=text("name_held"),
        ),
        *list_indexes("personal_access_token", "listed", "ends", "used", "named"),
        revoked_index("personal_access_token"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    name_held: Mapped[bool] = mapped_column(default=True)  # False once revoked, or expired and replaced
    held_as: Mapped[str | None] = mapped_column(String(LONGEST_KEPT_KEY))  # the key of its name
    description: Mapped[str] = mapped_column(String(1000), default="")
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(20))
    generation: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    issued_at: Mapped[datetime]  # of the current secret
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(String(200))
    last_used_at: Mapped[datetime | None]

    user: Mapped[User] = relationship()
    scopes: Mapped[list[PersonalAccessTokenScope]] = relationship(cascade="all, delete-orphan", passive_deletes=True)

    @validates("name")
    def _follow_name(self, _attribute: str, name: str) -> str:
        self.held_as = name_key(name)
        return name

    def __repr__(self) -> str:
        """Show the id, never the digest."""
        return f"<PersonalAccessToken {self.id}>"
