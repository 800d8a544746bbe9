"""Users as a provisioning client sees them: every user, with what the organisation's directory says of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, String, delete, func, literal, select
from sqlalchemy.orm import Session

from app.access.rbac import grants_of_user
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import keep_administrators
from app.actions.directory.deprovision import end_everything
from app.actions.directory.escalation import refuse_exceeding
from app.actions.directory.names import checked_email, checked_username, optional_name
from app.actions.directory.one_time_links import end_links
from app.actions.directory.provided_roles import SCIM
from app.actions.directory.provisioning_lists import Column, Columns, IsCurrent, Part, Wanted, later, version_of
from app.actions.directory.uniqueness import translate_duplicates
from app.actions.directory.users import TAKEN, TARGET
from app.clock import Clock
from app.database.locks import for_update
from app.database.statements import batches
from app.database.store import Store
from app.database.types import Instant, new_id
from app.errors import Invalid, NotFound, Stale
from app.models import ProvidedRole, Role, User
from app.models.names import email_key, name_key, plain_name
from app.models.user import has_username

MOST_ATTRIBUTES = 8_192  # bytes of what is kept of a user beside our own fields, as JSON
MISSING = "there is no such user"
CHANGED_MEANWHILE = "the user is not the version that you named: read it again"
WORK = "work"


@dataclass(frozen=True, slots=True)
class Group:
    """A provisioned role that a user has."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class PersonState:
    """What a provisioning client decides of a user; `attributes` are of SCIM, and only it reads them."""

    username: str
    email: str | None = None
    display_name: str = ""
    enabled: bool = True
    external_id: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Person:
    """A user with the groups of the provisioning client."""

    id: str
    state: PersonState
    groups: tuple[Group, ...]
    created_at: datetime
    updated_at: datetime

    @property
    def version(self) -> str:
        """Return what changes with every change of the user's state and of the groups."""
        groups = sorted((one.id, one.name) for one in self.groups)
        state = (getattr(self.state, one.name) for one in fields(PersonState))
        return version_of(self.id, self.updated_at, *state, groups)


Revise = Callable[[Person], PersonState]


def _has_group(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    query = select(ProvidedRole.user_id).join(Role, Role.id == ProvidedRole.role_id)
    return User.id.in_(query.where(ProvidedRole.source == SCIM, Role.provisioned, condition))


UPDATED = func.coalesce(User.updated_at, User.created_at, type_=Instant)
FIRST_EMAIL_TYPE = func.coalesce(User.provisioned[("emails", 0, "type")].as_string(), literal(WORK))
COLUMNS: Columns = {
    ("id", None): Column(User.id),
    ("user_name", None): Column(User.username_key, name_key, equal=has_username),
    ("external_id", None): Column(User.external_id),
    ("display_name", None): Column(func.lower(User.display_name, type_=String), bind=func.lower),
    ("active", None): Column(User.enabled),
    ("emails", None): Column(User.email_key, lambda text: email_key(plain_name(text))),
    ("emails", "value"): Column(User.email_key, lambda text: email_key(plain_name(text))),
    ("emails", "type"): Column(FIRST_EMAIL_TYPE),
    ("emails", "primary"): Column(User.email.is_not(None)),
    ("groups", "value"): Column(Role.id, among=_has_group),
    ("groups", "display"): Column(Role.name_key, name_key, among=_has_group),
    ("meta", "created"): Column(User.created_at),
    ("meta", "last_modified"): Column(UPDATED),
}


class ProvisionedUsers:
    """Create, find, change and delete users for a provisioning client."""

    def __init__(self, store: Store, management_identifier: str, clock: Clock) -> None:
        self._store = store
        self._management = management_identifier
        self._clock = clock

    def page(self, wanted: Wanted) -> Part[Person]:
        """Return a part of the list of all users. Raises Unfilterable, TooMany, Busy."""
        order = wanted.order(COLUMNS, User.created_at, User.id)
        with wanted.criteria(COLUMNS) as criteria, self._store.reading() as session:
            total = session.scalar(select(func.count()).select_from(User).where(*criteria)) or 0
            query = select(User).where(*criteria).order_by(*order).offset(wanted.start).limit(wanted.count)
            return Part(total, [] if wanted.is_beyond(total) else _people(session, session.scalars(query).all()))

    def get(self, user_id: str) -> Person:
        """Return one user. Raises NotFound."""
        with self._store.reading() as session:
            return _person(session, _load(session, select(User), user_id))

    def create(self, actor: Actor, state: PersonState) -> Person:
        """Create a user, who has no password and no role. Raises Invalid, Duplicate."""
        now = self._clock()
        row = User(id=new_id("usr"), username=checked_username(state.username), created_at=now, updated_at=now)
        _apply(row, state)
        with translate_duplicates(TAKEN["username"], **TAKEN), self._store.transaction() as session:
            session.add(row)
            record(session, actor, f"{TARGET}.create", TARGET, row.id, now, username=row.username, source=SCIM)
            session.flush()
            return _person(session, row)

    def change(self, actor: Actor, user_id: str, revise: Revise, is_current: IsCurrent) -> Person:
        """Replace the state of a user by what `revise` makes of it; disabling ends every credential for good.

        Raises NotFound, Stale, Invalid, Duplicate, Forbidden (the user carries more than the caller), Conflict (the
        last administrator).
        """
        now = self._clock()
        with (
            translate_duplicates(TAKEN["username"], **TAKEN),
            self._store.transaction() as session,
            keep_administrators(session, actor, now),
        ):
            row, before = self._lock(session, actor, user_id, is_current)
            changed = _changed(before.state, state := revise(before))
            if not state.enabled:  # also when it is said again: somebody may have signed in at the same moment
                end_everything(session, actor, user_id, now)
            if changed:
                _apply(row, state)
                if before.state.email not in (None, row.email):  # a link was mailed to the former one
                    end_links(session, user_id)
                row.updated_at = later(now, before.updated_at)
                record(session, actor, f"{TARGET}.update", TARGET, user_id, now, changed=changed, source=SCIM)
            session.flush()
            return _person(session, row)

    def delete(self, actor: Actor, user_id: str, is_current: IsCurrent) -> None:
        """Delete a user with every credential. Raises as `change` does."""
        now = self._clock()
        with self._store.transaction() as session, keep_administrators(session, actor, now):
            row, _ = self._lock(session, actor, user_id, is_current)
            session.execute(delete(User).where(User.id == user_id))
            record(session, actor, f"{TARGET}.delete", TARGET, user_id, now, username=row.username, source=SCIM)

    def _lock(self, session: Session, actor: Actor, user_id: str, is_current: IsCurrent) -> tuple[User, Person]:
        row = _load(session, for_update(select(User), User), user_id)
        refuse_exceeding(actor, grants_of_user(session, user_id), self._management)
        person = _person(session, row)
        if not is_current(person.version):
            raise Stale(CHANGED_MEANWHILE)
        return row, person


def _load(session: Session, query: Select[User], user_id: str) -> User:
    row = session.scalar(query.where(User.id == user_id))
    if row is None:
        raise NotFound(MISSING)
    return row


def _changed(before: PersonState, after: PersonState) -> list[str]:
    return [one.name for one in fields(PersonState) if getattr(before, one.name) != getattr(after, one.name)]


def _apply(row: User, state: PersonState) -> None:
    """Set the columns of a row. Raises Invalid."""
    kept = json.dumps(dict(state.attributes))
    if len(kept) > MOST_ATTRIBUTES:
        raise Invalid.field("", f"the attributes of a user are at most {MOST_ATTRIBUTES} bytes")
    row.username = checked_username(state.username, row.username)
    row.email = checked_email(state.email, row.email)
    row.display_name = optional_name(state.display_name, "displayName")
    row.enabled = state.enabled
    row.external_id = state.external_id
    row.provisioned = dict(state.attributes)


def _people(session: Session, rows: Sequence[User]) -> list[Person]:
    groups = _groups_of(session, [row.id for row in rows])
    return [_view(row, groups.get(row.id, ())) for row in rows]


def _person(session: Session, row: User) -> Person:
    return _people(session, [row])[0]


def _view(row: User, groups: Iterable[Group]) -> Person:
    state = PersonState(
        username=row.username,
        email=row.email,
        display_name=row.display_name,
        enabled=row.enabled,
        external_id=row.external_id,
        attributes=row.provisioned or {},
    )
    return Person(row.id, state, tuple(groups), row.created_at, row.updated_at or row.created_at)


def _groups_of(session: Session, user_ids: Sequence[str]) -> dict[str, list[Group]]:
    query = select(ProvidedRole.user_id, Role.id, Role.name).join(Role, Role.id == ProvidedRole.role_id)
    query = query.where(ProvidedRole.source == SCIM, Role.provisioned).order_by(Role.name)
    groups: dict[str, list[Group]] = {}
    for some in batches(user_ids):
        for user_id, role_id, name in session.execute(query.where(ProvidedRole.user_id.in_(some))):
            groups.setdefault(user_id, []).append(Group(role_id, name))
    return groups
