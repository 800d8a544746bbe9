"""Users and their roles."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, ColumnElement, ForeignKey, Index, String, and_, func, or_, text, true
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from app.database.types import Base
from app.models.list_indexes import disabled_index, list_indexes
from app.models.names import LONGEST_KEPT_KEY, email_key, plain_name, username_key
from app.models.role import Role

if TYPE_CHECKING:
    from app.models.identity_provider import ProvidedRole


class UserRole(Base):
    """A role of a user."""

    __tablename__ = "user_role"

    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    role_id: Mapped[str] = mapped_column(ForeignKey("role.id", ondelete="CASCADE"), primary_key=True, index=True)
    given_here: Mapped[bool] = mapped_column(default=True, server_default=true())  # False: by a ProvidedRole alone


class User(Base):
    """A person. `password_digest` is an argon2id hash; without one, signing in with a password is not possible."""

    __tablename__ = "user"
    __table_args__ = (
        Index("uq_user_username_lower", func.lower(text("username")), unique=True),  # Ann is ann
        *list_indexes("user", "listed", "by_username", "by_display_name", "by_email"),
        disabled_index("user"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    username: Mapped[str] = mapped_column(String(200), unique=True)
    email: Mapped[str | None] = mapped_column(String(320), unique=True)
    username_key: Mapped[str | None] = mapped_column(String(LONGEST_KEPT_KEY), index=True, unique=True)
    email_key: Mapped[str | None] = mapped_column(String(LONGEST_KEPT_KEY), index=True, unique=True)
    display_name: Mapped[str] = mapped_column(String(200), default="")
    password_digest: Mapped[str | None] = mapped_column(String(200))
    password_until: Mapped[datetime | None]  # when a generated password ends; None for one that the user chose
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    external_id: Mapped[str | None] = mapped_column(String(255), index=True)  # the provisioning client's: RFC 7643 §3.1
    provisioned: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True)
    )  # SCIM attributes; None: not SCIM's
    updated_at: Mapped[datetime | None]

    roles: Mapped[list[Role]] = relationship(secondary="user_role", order_by=Role.name, passive_deletes=True)
    provided: Mapped[list[ProvidedRole]] = relationship(viewonly=True)  # which of the roles come from outside

    @validates("username")
    def _follow_username(self, _attribute: str, username: str) -> str:
        self.username_key = username_key(username)
        return username

    @validates("email")
    def _follow_email(self, _attribute: str, email: str | None) -> str | None:
        self.email_key = None if email is None else email_key(email)
        return email

    def __repr__(self) -> str:
        """Show the name, never the digest."""
        return f"<User {self.id}>"


def has_username(username: str) -> ColumnElement[bool]:
    """Return the condition of a username as sign-in compares it, without case.

    The username itself is compared too: in a rolling upgrade, nodes of the version before write no key. It is never
    unknown, so that it can be negated, and each side of it is found by an index.
    """
    plain = plain_name(username)
    by_key = and_(User.username_key.is_not(None), User.username_key == username_key(plain))
    return or_(by_key, func.lower(User.username) == plain.lower())
