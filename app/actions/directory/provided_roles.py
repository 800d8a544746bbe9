"""Roles of users that come from outside: from SCIM, or from an identity provider, whose id is the source.

A role may have several sources, and be given on this server too: the user keeps it until the last of them ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sqlalchemy import Select, delete, exists, literal, select
from sqlalchemy.orm import Session

from app.database.statements import batches, insert_selected_once
from app.models import ProvidedRole, Role, User, UserRole

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
SCIM = "scim"  # the source of what a provisioning client says
_PROVIDED, _GIVEN = ("user_id", "role_id", "source"), ("user_id", "role_id", "given_here")


def add_provided(session: Session, user_id: str, role_id: str, source: str) -> bool:
    """Add a role of a user from this source; return whether the source had not given it before."""
    return bool(add_members(session, role_id, source, [user_id]))


def remove_provided(session: Session, user_id: str, role_id: str, source: str) -> bool:
    """End what this source gave; return whether it had given it. The role stays if anything else gives it."""
    return bool(remove_members(session, role_id, source, [user_id]))


def sync_provided(session: Session, user_id: str, source: str, role_ids: Iterable[str]) -> bool:
    """Make these the roles that this source gives to a user; return whether anything changed."""
    wanted, before = set(role_ids), set(_roles_from(session, user_id, source))
    for role_id in sorted(before - wanted):
        remove_provided(session, user_id, role_id, source)
    for role_id in sorted(wanted - before):
        add_provided(session, user_id, role_id, source)
    return wanted != before


def provided_to(session: Session, user_id: str) -> Sequence[Role]:
    """Return the roles that any source gives to a user: they end there, not here."""
    query = select(Role).join(ProvidedRole, ProvidedRole.role_id == Role.id).where(ProvidedRole.user_id == user_id)
    return session.scalars(query.order_by(Role.name)).unique().all()


def add_members(session: Session, role_id: str, source: str, user_ids: Sequence[str]) -> list[str]:
    """Add these users to a role from this source; return to whom it is new. Ids without a user are left out."""
    added: list[str] = []
    for some in batches(_possible(user_ids)):
        mine = _provided(role_id, source, some)
        new = list(session.scalars(select(User.id).where(User.id.in_(some), User.id.not_in(mine)).order_by(User.id)))
        if new:
            chosen = User.id.in_(new)
            given = select(User.id, literal(role_id), literal(False)).where(chosen)
            insert_selected_once(session, UserRole, _GIVEN, given)
            provided = select(User.id, literal(role_id), literal(source)).where(chosen)
            insert_selected_once(session, ProvidedRole, _PROVIDED, provided)
        added += new
    return added


def remove_members(session: Session, role_id: str, source: str, user_ids: Sequence[str]) -> list[str]:
    """End what this source gave to these users; return whose it was."""
    removed: list[str] = []
    for some in batches(_possible(user_ids)):
        mine = list(session.scalars(_provided(role_id, source, some).order_by(ProvidedRole.user_id)))
        of_role = ProvidedRole.role_id == role_id, ProvidedRole.source == source
        session.execute(delete(ProvidedRole).where(*of_role, ProvidedRole.user_id.in_(mine)))
        other = exists().where(ProvidedRole.user_id == UserRole.user_id, ProvidedRole.role_id == role_id)
        left = UserRole.role_id == role_id, UserRole.user_id.in_(mine), ~UserRole.given_here, ~other
        session.execute(delete(UserRole).where(*left))
        removed += mine
    return removed


def _possible(user_ids: Sequence[str]) -> list[str]:
    """Return what can be an id, once; other texts, such as one with a null character, belong to nobody."""
    return sorted({user_id for user_id in user_ids if ID.fullmatch(user_id)})


def _provided(role_id: str, source: str, user_ids: Sequence[str]) -> Select[str]:
    of_role = ProvidedRole.role_id == role_id, ProvidedRole.source == source
    return select(ProvidedRole.user_id).where(*of_role, ProvidedRole.user_id.in_(user_ids))


def _roles_from(session: Session, user_id: str, source: str) -> Iterable[str]:
    mine = ProvidedRole.user_id == user_id, ProvidedRole.source == source
    return session.scalars(select(ProvidedRole.role_id).where(*mine))
