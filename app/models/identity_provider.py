"""Identity providers of organisations, the users' accounts there, and the roles that follow from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base

LONGEST_SUBJECT = 255  # characters: OpenID Connect Core §2


class IdentityProvider(Base):
    """An OpenID provider at which users sign in; the ones of the settings file have no row."""

    __tablename__ = "identity_provider"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    issuer: Mapped[str] = mapped_column(String(2000))
    client_id: Mapped[str] = mapped_column(String(500))
    auth_method: Mapped[str] = mapped_column(String(40))
    sealed_client_secret: Mapped[bytes | None] = mapped_column(LargeBinary)  # encrypted under the SECRET_KEY setting
    scopes: Mapped[list[str]] = mapped_column(JSON)
    username_claim: Mapped[str] = mapped_column(String(200))
    groups_claim: Mapped[str] = mapped_column(String(200), default="")
    roles: Mapped[dict[str, list[str]]] = mapped_column(JSON)  # the names of roles for each group
    create_users: Mapped[bool] = mapped_column(default=False)
    required_claims: Mapped[dict[str, Any]] = mapped_column(JSON)
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]

    def __repr__(self) -> str:
        """Show the id, never the secret."""
        return f"<IdentityProvider {self.id}>"


class IdentityLink(Base):
    """A user's account at an issuer: the pair of issuer and subject decides, never a name or an address."""

    __tablename__ = "identity_link"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    issuer: Mapped[str] = mapped_column(String(2000))
    subject: Mapped[str] = mapped_column(String(LONGEST_SUBJECT))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]


class ProvidedRole(Base):
    """A user's role that comes from outside: from an identity provider, whose id is the `source`, or from SCIM.

    The row of `user_role` exists as well; its `given_here` is False unless the role was also given on this server.
    """

    __tablename__ = "provided_role"

    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    role_id: Mapped[str] = mapped_column(ForeignKey("role.id", ondelete="CASCADE"), primary_key=True, index=True)
    source: Mapped[str] = mapped_column(String(200), primary_key=True)
