"""Roles of users that come from outside: from SCIM, or from an identity provider, whose id is the source.

A role may have several sources, and be given on this server too: the user keeps it until the last of them ends. A
source takes away only what it provided, and what operators change here are only the roles that were given here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from sqlalchemy import Select, delete, exists, literal, select, update
from sqlalchemy.orm import Session

from app.actions.directory.administrators import LOCK
from app.database.locks import advisory_lock
from app.database.statements import batches, insert_once, insert_selected_once
from app.models import ProvidedRole, Role, User, UserRole

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
SCIM = "scim"  # the source of what a provisioning client says
_PROVIDED, _GIVEN = ("user_id", "role_id", "source"), ("user_id", "role_id", "given_here")


def sync_roles(session: Session, user_id: str, source: str, wanted_role_ids: Collection[str]) -> bool:
    """Make these the roles that a source provides to a user, in the caller's transaction; return whether any changed.

    The caller records the event and drops the dormant scopes of personal access tokens (`drop_dormant_scopes`). It
    takes the lock of administrators before it locks any row, as each change of a user does.
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


def adopt_members(session: Session, role_id: str, source: str) -> None:
    """Turn what this source gave of a role into what was given here."""
    provided = ProvidedRole.role_id == role_id, ProvidedRole.source == source
    mine = UserRole.role_id == role_id, UserRole.user_id.in_(select(ProvidedRole.user_id).where(*provided))
    session.execute(update(UserRole).where(*mine).values(given_here=True))
    session.execute(delete(ProvidedRole).where(*provided))


def _drop_ungiven(session: Session, user_id: str, role_ids: Collection[str]) -> None:
    others = exists().where(ProvidedRole.user_id == UserRole.user_id, ProvidedRole.role_id == UserRole.role_id)
    mine = UserRole.user_id == user_id, UserRole.role_id.in_(role_ids)
    session.execute(delete(UserRole).where(*mine, ~UserRole.given_here, ~others))


def _forget_roles(session: Session, user_id: str) -> None:
    """Load the roles of a user again when they are next read."""
    user = session.identity_map.get(session.identity_key(User, user_id))
    if user is not None:
        session.expire(user, ["roles"])


def _possible(user_ids: Sequence[str]) -> list[str]:
    """Return what can be an id, once; other texts, such as one with a null character, belong to nobody."""
    return sorted({user_id for user_id in user_ids if ID.fullmatch(user_id)})


def _provided(role_id: str, source: str, user_ids: Sequence[str]) -> Select[str]:
    of_role = ProvidedRole.role_id == role_id, ProvidedRole.source == source
    return select(ProvidedRole.user_id).where(*of_role, ProvidedRole.user_id.in_(user_ids))
