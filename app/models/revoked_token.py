"""Short-lived denials: JWTs revoked before they expire, and used client assertions and DPoP proofs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.database.types import Base


class RevokedToken(Base):
    """A revoked JWT; kept until long after its own expiry. With it the index of its status list is invalid."""

    __tablename__ = "revoked_token"

    jti: Mapped[str] = mapped_column(String(100), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime]
    status_list: Mapped[int | None]
    status_index: Mapped[int | None]


class UsedAssertion(Base):
    """The jti of a used client assertion (RFC 7523 §3); the insert is the single-use check."""

    __tablename__ = "used_assertion"

    client_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    jti_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class UsedProof(Base):
    """A used DPoP proof, by its key and jti (RFC 9449 §11.1); the insert is the single-use check."""

    __tablename__ = "used_proof"

    proof_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
