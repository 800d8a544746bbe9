"""Groups as a provisioning client sees them: the user roles that are marked as provisioned, and who it put into them.

A group that it creates gives no permission until an operator adds some. Members whom an operator gave the role are not
shown, and keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import ColumnElement, Select, delete, func, literal, select
from sqlalchemy.orm import Session

from app.access.rbac import grants_of_roles
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import keep_administrators
from app.actions.directory.escalation import refuse_exceeding
from app.actions.directory.names import checked_name
from app.actions.directory.provided_roles import SCIM, add_members, remove_members
from app.actions.directory.provisioning_lists import (
    Column,
    Columns,
    IsCurrent,
    Part,
    TooMany,
    Wanted,
    later,
    version_of,
)
from app.actions.directory.roles import TAKEN, TARGET
from app.actions.directory.uniqueness import translate_duplicates
from app.clock import Clock
from app.database.locks import for_update
from app.database.store import Store
from app.database.types import Instant, new_id
from app.errors import NotFound, Stale
from app.models import ProvidedRole, Role, User
from app.models.names import name_key

if TYPE_CHECKING:
    from scim2_models import ScimFilter

MISSING = "there is no such group"
CHANGED_MEANWHILE = "the group is not the version that you named: read it again"
MOST_SHOWN = 20_000  # members in one answer
TOO_MANY = f"the groups have more than {MOST_SHOWN} members: leave the members out of the answer"
MOST_NAMED = 500  # members that an audit event names; a change of more has further events


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a group."""

    id: str
    username: str


@dataclass(frozen=True, slots=True)
class TeamState:
    """What a provisioning client decides of a group, besides its members."""

    name: str
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Team:
    """A group; `members` is None where they were not asked for."""

    id: str
    state: TeamState
    size: int
    created_at: datetime
    updated_at: datetime
    members: tuple[Member, ...] | None = None

    @property
    def version(self) -> str:
        """Return what changes with every change of the group or of its members."""
        return version_of(self.id, self.state.name, self.state.external_id, self.size, self.updated_at)


@dataclass(frozen=True, slots=True)
class MemberStep:
    """One step of a change of members: it names users, or removes all, or the members that a filter selects."""

    verb: Literal["add", "remove", "replace"]
    user_ids: tuple[str, ...] = ()
    among: ScimFilter[Any] | None = None
    everybody: bool = False


Revise = Callable[[Team], TeamState]


def _has_member(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    query = select(ProvidedRole.role_id).join(User, User.id == ProvidedRole.user_id)
    return Role.id.in_(query.where(ProvidedRole.source == SCIM, condition))


UPDATED = func.coalesce(Role.updated_at, Role.created_at, type_=Instant)
COLUMNS: Columns = {
    ("id", None): Column(Role.id),
    ("display_name", None): Column(Role.name_key, name_key),
    ("external_id", None): Column(Role.external_id),
    ("members", None): Column(User.id, among=_has_member),
    ("members", "value"): Column(User.id, among=_has_member),
    ("members", "display"): Column(User.username_key, name_key, among=_has_member),
    ("meta", "created"): Column(Role.created_at),
    ("meta", "last_modified"): Column(UPDATED),
}
MEMBER_COLUMNS: Columns = {  # of the filter of `members[value eq "usr_1"]`
    ("members", "value"): Column(User.id),
    ("members", "display"): Column(User.username_key, name_key),
    ("members", "type"): Column(literal("User")),
}
IS_GROUP = (Role.provisioned, Role.type == "user")
SIZE = (
    select(func.count())
    .where(ProvidedRole.role_id == Role.id, ProvidedRole.source == SCIM)
    .correlate(Role)
    .scalar_subquery()
)


class ProvisionedGroups:
    """Create, find, change and delete groups for a provisioning client."""

    def __init__(self, store: Store, management_identifier: str, clock: Clock) -> None:
        self._store = store
        self._management = management_identifier
        self._clock = clock

    def page(self, wanted: Wanted, *, members: bool) -> Part[Team]:
        """Return a part of the list of groups: fewer than asked for where they have many members, at least one.

        Raises Unfilterable, TooMany (also when the first group alone has more than MOST_SHOWN members), Busy.
        """
        order = wanted.order(COLUMNS, Role.created_at, Role.id)
        with wanted.criteria(COLUMNS) as selected, self._store.reading() as session:
            criteria = (*IS_GROUP, *selected)
            total = session.scalar(select(func.count()).select_from(Role).where(*criteria)) or 0
            query = _query().where(*criteria).order_by(*order).offset(wanted.start).limit(wanted.count)
            teams = [] if wanted.is_beyond(total) else [_view(row, size) for row, size in session.execute(query)]
            return Part(total, _with_members(session, teams) if members else teams)

    def get(self, group_id: str, *, members: bool) -> Team:
        """Return one group. Raises NotFound, TooMany."""
        with self._store.reading() as session:
            team = _load(session, group_id)
            return _with_members(session, [team])[0] if members else team

    def create(self, actor: Actor, state: TeamState, user_ids: Sequence[str], *, members: bool) -> Team:
        """Create a group with these members. Raises Invalid, Duplicate."""
        now, name = self._clock(), checked_name(state.name, "displayName")
        row = Role(id=new_id("role"), name=name, type="user", created_at=now, provisioned=True, updated_at=now)
        row.external_id = state.external_id
        with translate_duplicates(TAKEN), self._store.transaction() as session:
            session.add(row)
            session.flush()
            added = add_members(session, row.id, SCIM, user_ids)
            self._record(session, actor, "create", row.id, added, [], now, name=name)
            return _answer(session, row.id, members)

    def change(
        self,
        actor: Actor,
        group_id: str,
        revise: Revise,
        steps: Sequence[MemberStep],
        is_current: IsCurrent,
        *,
        members: bool,
    ) -> Team:
        """Change a group and its members; what the role gives applies to everybody at once.

        Raises NotFound, Stale, Invalid, Duplicate, Forbidden (the role carries more than the caller), Conflict (the
        last administrator).
        """
        now = self._clock()
        with (
            translate_duplicates(TAKEN),
            self._store.transaction() as session,
            keep_administrators(session, actor, now),
        ):
            row, before = self._lock(session, actor, group_id, is_current)
            added, removed = _take_steps(session, group_id, steps)
            changed = _apply(row, before.state, revise(before))
            if changed or added or removed:
                row.updated_at = later(now, before.updated_at)
                self._record(session, actor, "update", group_id, added, removed, now, changed=changed)
            session.flush()
            return _answer(session, group_id, members)

    def delete(self, actor: Actor, group_id: str, is_current: IsCurrent) -> None:
        """Delete a group: nobody has the role any more. Raises as `change` does."""
        now = self._clock()
        with self._store.transaction() as session, keep_administrators(session, actor, now):
            row, _ = self._lock(session, actor, group_id, is_current)
            session.execute(delete(Role).where(Role.id == group_id))
            record(session, actor, f"{TARGET}.delete", TARGET, group_id, now, name=row.name, source=SCIM)

    def _record(
        self,
        session: Session,
        actor: Actor,
        verb: str,
        group_id: str,
        added: list[str],
        removed: list[str],
        now: datetime,
        **details: object,
    ) -> None:
        """Record the change with each member whom it added or removed, in as many events as their names need."""
        named = [("added", one) for one in added] + [("removed", one) for one in removed]
        for first in range(0, max(len(named), 1), MOST_NAMED):
            some = named[first : first + MOST_NAMED]
            lists = {what: [one for which, one in some if which == what] for what in ("added", "removed")}
            noted = details | {what: ids for what, ids in lists.items() if ids} | {"source": SCIM}
            record(session, actor, f"{TARGET}.{verb}", TARGET, group_id, now, **noted)
            verb, details = "update", {}

    def _lock(self, session: Session, actor: Actor, group_id: str, is_current: IsCurrent) -> tuple[Role, Team]:
        row = session.scalar(for_update(select(Role).where(Role.id == group_id, *IS_GROUP), Role))
        if row is None:
            raise NotFound(MISSING)
        refuse_exceeding(actor, grants_of_roles(session, [group_id]), self._management)
        team = _load(session, group_id)
        if not is_current(team.version):
            raise Stale(CHANGED_MEANWHILE)
        return row, team


def _query() -> Select[Role, int]:
    return select(Role, SIZE)


def _load(session: Session, group_id: str) -> Team:
    found = session.execute(_query().where(Role.id == group_id, *IS_GROUP)).one_or_none()
    if found is None:
        raise NotFound(MISSING)
    return _view(*found)


def _view(row: Role, size: int) -> Team:
    state = TeamState(row.name, row.external_id)
    return Team(row.id, state, size, row.created_at, row.updated_at or row.created_at)


def _answer(session: Session, group_id: str, members: bool) -> Team:
    """Return what the change answers; a group with too many members is changed, and shown without them."""
    team = _load(session, group_id)
    return _with_members(session, [team])[0] if members and team.size <= MOST_SHOWN else team


def _with_members(session: Session, teams: Sequence[Team]) -> list[Team]:
    """Return as many of the groups with their members as one answer may have."""
    shown, left = [], MOST_SHOWN
    for team in teams:
        left -= team.size
        if left < 0:
            break
        shown.append(team)
    if teams and not shown:
        raise TooMany(TOO_MANY)
    return [_fill(session, team) for team in shown]


def _fill(session: Session, team: Team) -> Team:
    query = select(User.id, User.username).join(ProvidedRole, ProvidedRole.user_id == User.id)
    query = query.where(ProvidedRole.role_id == team.id, ProvidedRole.source == SCIM).order_by(User.id)
    return replace(team, members=tuple(Member(*row) for row in session.execute(query)))


def _apply(row: Role, before: TeamState, after: TeamState) -> list[str]:
    """Set the columns of a row, and return the names of what changed. Raises Invalid."""
    if after.name != before.name:
        row.name = checked_name(after.name, "displayName")
    row.external_id = after.external_id
    return [name for name in ("name", "external_id") if getattr(before, name) != getattr(after, name)]


def _take_steps(session: Session, group_id: str, steps: Sequence[MemberStep]) -> tuple[list[str], list[str]]:
    """Change the members step by step; return who is in the group now and was not before, and the reverse."""
    moves: dict[str, int] = {}
    for step in steps:
        added, removed = _take_step(session, group_id, step)
        for user_id in added:
            moves[user_id] = moves.get(user_id, 0) + 1
        for user_id in removed:
            moves[user_id] = moves.get(user_id, 0) - 1
    return [one for one, move in moves.items() if move > 0], [one for one, move in moves.items() if move < 0]


def _take_step(session: Session, group_id: str, step: MemberStep) -> tuple[list[str], list[str]]:
    if step.verb == "add":
        return add_members(session, group_id, SCIM, step.user_ids), []
    if step.verb == "remove":
        leaving = _select_leaving(session, group_id, step)
        return [], remove_members(session, group_id, SCIM, leaving)
    kept = set(step.user_ids)
    removed = remove_members(session, group_id, SCIM, [one for one in _members(session, group_id) if one not in kept])
    return add_members(session, group_id, SCIM, step.user_ids), removed


def _select_leaving(session: Session, group_id: str, step: MemberStep) -> Sequence[str]:
    """Return whom a step removes: whom it names, whom its filter selects, or all. Raises Unfilterable."""
    if step.among is not None:
        from app.actions.directory.provisioning_filters import criterion_of  # loaded by the first filter

        return _members(session, group_id, criterion_of(step.among, MEMBER_COLUMNS))
    return _members(session, group_id) if step.everybody else step.user_ids


def _members(session: Session, group_id: str, *criteria: ColumnElement[bool]) -> Sequence[str]:
    query = select(ProvidedRole.user_id).join(User, User.id == ProvidedRole.user_id)
    return session.scalars(query.where(ProvidedRole.role_id == group_id, ProvidedRole.source == SCIM, *criteria)).all()
