"""Roles that come from outside: from an identity provider, whose id is the source, or from SCIM.

A role is the user's while a source provides it or it was given on this server. A source takes away only what it
provided, and what operators change here are only the roles that were given here.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from app.actions.directory.administrators import LOCK
from app.database.locks import advisory_lock
from app.database.statements import batches, insert_once
from app.models import ProvidedRole, Role, User, UserRole


def sync_roles(session: Session, user_id: str, source: str, wanted_role_ids: Collection[str]) -> bool:
    """Make these the roles that a source provides to a user, in the caller's transaction; return whether any changed.

    The caller records the event and drops the dormant scopes of personal access tokens (`drop_dormant_scopes`).
    """
    session.flush()
    mine = ProvidedRole.user_id == user_id, ProvidedRole.source == source
    present, wanted = set(session.scalars(select(ProvidedRole.role_id).where(*mine))), set(wanted_role_ids)
    if present == wanted:
        return False
    advisory_lock(session, LOCK)  # as each change that may take a scope of the management API from somebody
    for role_id in sorted(wanted - present):
        insert_once(session, ProvidedRole, user_id=user_id, role_id=role_id, source=source)
        insert_once(session, UserRole, user_id=user_id, role_id=role_id, given_here=False)
    for some in batches(sorted(present - wanted)):
        session.execute(delete(ProvidedRole).where(*mine, ProvidedRole.role_id.in_(some)))
        _drop_ungiven(session, user_id, some)
    _forget_roles(session, user_id)
    return True


def end_source(session: Session, source: str, user_id: str | None = None) -> bool:
    """Take away all that a source provides, to one user or to all; return whether that was anything."""
    users = select(ProvidedRole.user_id).where(ProvidedRole.source == source).distinct()
    chosen = users if user_id is None else users.where(ProvidedRole.user_id == user_id)
    found = sorted(session.scalars(chosen).all())
    for one in found:
        sync_roles(session, one, source, ())
    return bool(found)


def keep_provided(session: Session, user_id: str, given: Collection[Role]) -> list[Role]:
    """Return the roles of a user to whom an operator gives these: with the ones that a source provides."""
    provided = select(Role).where(Role.id.in_(select(ProvidedRole.role_id).where(ProvidedRole.user_id == user_id)))
    withdrawn = UserRole.user_id == user_id, UserRole.role_id.not_in([role.id for role in given])
    kept = session.scalars(provided).all()
    session.execute(update(UserRole).where(*withdrawn, UserRole.given_here).values(given_here=False))
    return list({role.id: role for role in (*given, *kept)}.values())


def _drop_ungiven(session: Session, user_id: str, role_ids: Collection[str]) -> None:
    others = exists().where(ProvidedRole.user_id == UserRole.user_id, ProvidedRole.role_id == UserRole.role_id)
    mine = UserRole.user_id == user_id, UserRole.role_id.in_(role_ids)
    session.execute(delete(UserRole).where(*mine, ~UserRole.given_here, ~others))


def _forget_roles(session: Session, user_id: str) -> None:
    """Load the roles of a user again when they are next read."""
    user = session.identity_map.get(session.identity_key(User, user_id))
    if user is not None:
        session.expire(user, ["roles"])
