"""How users authenticate: the methods of a session, and whether a user has, or must have, a second factor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, SQLColumnExpression, exists, func, or_, select
from sqlalchemy.orm import Session

from app.actions.audit.actor import MANAGE
from app.models import OneTimeCode, Passkey, Permission, RecoveryCode, Resource, RolePermission, User, UserRole

PASSWORD, CODE, PASSKEY, RECOVERY, MANY = "pwd", "otp", "pop", "rec", "mfa"  # RFC 8176 §2, but for our `rec`
SECOND = frozenset({CODE, PASSKEY, RECOVERY, MANY})  # each of them is, or includes, a second factor
EVERYBODY, ADMINISTRATORS = "everybody", "administrators"


def includes_second(methods: Iterable[str]) -> bool:
    """Return whether a user who authenticated by these methods needs no further one."""
    return not SECOND.isdisjoint(methods)


def has_factor(user_id: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """Return the condition that a user has a passkey or an authenticator app."""
    return or_(exists().where(Passkey.user_id == user_id), exists().where(OneTimeCode.user_id == user_id))


def is_administrator(user_id: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """Return the condition that a user's roles give `manage`."""
    return exists().where(
        UserRole.user_id == user_id,
        RolePermission.role_id == UserRole.role_id,
        Permission.id == RolePermission.permission_id,
        Permission.name == MANAGE,
        Resource.id == Permission.resource_id,
        Resource.built_in,
    )


class FactorPolicy:
    """Who must have a second factor (REQUIRE_SECOND_FACTOR)."""

    def __init__(self, required: str) -> None:
        """Take the setting; an empty one means administrators, once one of them has a second factor."""
        self._required = required

    def requires(self, session: Session, *, manages: bool) -> bool:
        """Return whether a user must have one; `manages`: an administrator."""
        if self._required or not manages:
            return self._required == EVERYBODY or (manages and self._required == ADMINISTRATORS)
        return bool(
            session.scalar(select(exists().where(User.enabled, has_factor(User.id), is_administrator(User.id))))
        )


@dataclass(frozen=True, slots=True)
class Administrator:
    """An enabled administrator, and how many factors and unused recovery codes they have."""

    username: str
    factors: int
    recovery_codes: int


def find_administrators(session: Session) -> Sequence[Administrator]:
    """Return the enabled administrators, by username."""

    def count(table: type[Passkey | OneTimeCode | RecoveryCode], *where: ColumnElement[bool]) -> ColumnElement[int]:
        mine = select(func.count()).select_from(table).where(table.user_id == User.id, *where)
        return mine.correlate(User).scalar_subquery()

    factors, codes = count(Passkey) + count(OneTimeCode), count(RecoveryCode, RecoveryCode.used_at.is_(None))
    query = select(User.username, factors, codes).where(User.enabled, is_administrator(User.id))
    return [Administrator(*row) for row in session.execute(query.order_by(User.username))]
