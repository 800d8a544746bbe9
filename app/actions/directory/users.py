"""Users: people with a password, roles, and tokens of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Annotated, ClassVar

from pydantic import Field
from sqlalchemy import ColumnElement, Select, delete, func, inspect, literal_column, or_, select
from sqlalchemy.orm import Session, selectinload

from app.access.rbac import grants_of_roles, grants_of_user
from app.access.scopes import Scopes
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import keep_administrators
from app.actions.directory.changes import UNSET, Unset, assign, changed_fields
from app.actions.directory.escalation import refuse_delegates, refuse_delegates_address, refuse_exceeding
from app.actions.directory.fields import Mark, Names
from app.actions.directory.names import checked_email, checked_username, optional_name
from app.actions.directory.one_time_links import end_links
from app.actions.directory.provided_roles import keep_provided
from app.actions.directory.roles import load_assignable_roles
from app.actions.directory.rows import Found, ListQuery, Page, Rows, by_number, view_of
from app.actions.directory.status import is_enabled
from app.actions.directory.uniqueness import translate_duplicates
from app.actions.sign_in.passwords import GENERATED, LONGEST_PASSWORD, SHORTEST_PASSWORD, Passwords
from app.actions.sign_in.sessions import end_sessions
from app.clock import Clock
from app.database.store import Store
from app.database.types import new_id
from app.models import Role, User, UserRole
from app.models.names import LONGEST_EMAIL, LONGEST_NAME, LONGEST_USERNAME, email_key, plain_name
from app.models.user import has_username

TARGET = "user"
NAMES = ("username", "email", "display_name")  # a password must not resemble one of them
USERS = Rows(
    User,
    "there is no such user",
    selectinload(User.roles),
    selectinload(User.provided),
    orders={
        "created_at": by_number(User.created_at),
        "username": func.lower(User.username),
        "display_name": func.lower(User.display_name),
        "email": func.coalesce(func.lower(User.email), literal_column("''")),  # as in the index
    },
    searched=(User.username, User.display_name, User.email),
)
Username = Annotated[str, Field(min_length=1, max_length=LONGEST_USERNAME)]
Email = Annotated[str, Field(min_length=1, max_length=LONGEST_EMAIL)]
Password = Annotated[str, Field(min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD), Mark.SECRET]
DisplayName = Annotated[str, Field(max_length=LONGEST_NAME)]
UserRoles = Annotated[Names, Field(description="names of user roles")]
TAKEN = {"username": "another user has this username", "email": "another user has this email address"}


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to create; without a password nobody can sign in as them. `roles` are names."""

    username: Username
    email: Email | None = None
    password: Annotated[Password | None, Mark.NOT_NULL] = field(default=None, repr=False)
    display_name: DisplayName = ""
    enabled: bool = True
    roles: UserRoles = ()


@dataclass(frozen=True, slots=True)
class UserChanges:
    """Changes of a user; a field left UNSET is not changed."""

    username: Username | Unset = UNSET
    email: Email | Unset | None = UNSET
    password: Password | Unset = field(default=UNSET, repr=False)
    display_name: DisplayName | Unset = UNSET
    enabled: bool | Unset = UNSET
    roles: UserRoles | Unset = UNSET


@dataclass(frozen=True, slots=True)
class UserView:
    """A user as it is shown, never the password's hash; `provided_roles` come from outside."""

    id: str
    username: str
    email: str | None
    display_name: str
    enabled: bool
    roles: tuple[str, ...]
    provided_roles: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Profile:
    """A user, and the scopes that their roles grant now."""

    user: UserView
    scopes: Scopes


class UserActions:
    """Create, list, change and delete users."""

    sorts: ClassVar = USERS.sorts

    def __init__(
        self, store: Store, passwords: Passwords, management_identifier: str, clock: Clock, *, mails: bool = False
    ) -> None:
        """`mails`: resets of passwords can be mailed."""
        self._mails = mails
        self._store = store
        self._passwords = passwords
        self._management = management_identifier
        self._clock = clock

    def create(self, actor: Actor, new: NewUser, *, generated: bool = False) -> UserView:
        """Create a user; a `generated` password is valid for GENERATED, until the user sets another one.

        Raises Invalid, Duplicate, Forbidden (roles that carry more than the caller)."""
        now = self._clock()
        username, email = checked_username(new.username), checked_email(new.email)
        display_name = optional_name(new.display_name, "display_name")
        password_digest = self._new_digest(actor, new.password, username, email, display_name)
        with translate_duplicates(TAKEN["username"], **TAKEN), self._store.transaction() as session:
            row = User(
                id=new_id("usr"),
                username=username,
                email=email,
                password_digest=password_digest,
                password_until=now + GENERATED if generated else None,
                display_name=display_name,
                enabled=new.enabled,
                created_at=now,
            )
            self._assign_roles(session, actor, row, new.roles)
            session.add(row)
            record(session, actor, f"{TARGET}.create", TARGET, row.id, now, username=username, roles=list(new.roles))
            session.flush()
            return _view(row)

    def change(self, actor: Actor, user_id: str, changes: UserChanges, but_session: str | None = None) -> UserView:
        """Change the fields that are given; `roles` and `enabled` apply at once to every credential of the user.

        A new password, or disabling the user, ends the user's sign-ins except `but_session`; a new password or address
        ends the links that would set a password.
        Raises NotFound, Invalid, Duplicate, Forbidden (the user carries more than the caller, or would), Conflict (the
        last administrator).
        """
        now = self._clock()
        named = changed_fields(changes)
        password_digest = None if isinstance(changes.password, Unset) else self._changed_digest(actor, user_id, changes)
        with (
            translate_duplicates(TAKEN["username"], **TAKEN),
            self._store.transaction() as session,
            keep_administrators(session, actor, now),
        ):
            row = _load(session, user_id, lock=True)
            refuse_exceeding(actor, grants_of_user(session, user_id), self._management)
            if password_digest is not None:
                row.password_digest, row.password_until = password_digest, None
            if not isinstance(changes.roles, Unset):
                self._assign_roles(session, actor, row, changes.roles)
            email = row.email
            _apply(row, changes)
            if row.email != email and self._mails:
                refuse_delegates_address(actor)
            if password_digest is not None or email not in (None, row.email):  # a link was mailed to the former one
                end_links(session, user_id)
            row.updated_at = now
            if password_digest is not None or not row.enabled:
                end_sessions(session, user_id, but_session)
            roles = [role.name for role in row.roles]
            record(session, actor, f"{TARGET}.update", TARGET, user_id, now, changed=named, roles=roles)
            session.flush()
            return _view(row)

    def delete(self, actor: Actor, user_id: str) -> None:
        """Delete a user with every token. Raises NotFound, Forbidden, Conflict (the last administrator)."""
        now = self._clock()
        with self._store.transaction() as session, keep_administrators(session, actor, now):
            row = _load(session, user_id, lock=True)
            refuse_exceeding(actor, grants_of_user(session, user_id), self._management)
            session.execute(delete(User).where(User.id == user_id))
            record(session, actor, f"{TARGET}.delete", TARGET, user_id, now, username=row.username)

    def get(self, user_id: str) -> UserView:
        """Return one user. Raises NotFound."""
        with self._store.reading() as session:
            return _view(_load(session, user_id))

    def profile(self, user_id: str) -> Profile:
        """Return a user with the scopes that the roles grant now. Raises NotFound."""
        with self._store.reading() as session:
            return Profile(_view(_load(session, user_id)), grants_of_user(session, user_id).scopes)

    def page(
        self,
        limit: int,
        after: str | None = None,
        username: str | None = None,
        email: str | None = None,
    ) -> Page[UserView]:
        """List users, oldest first, of one username or email address if given."""
        with self._store.reading() as session:
            return USERS.page(session, limit, after, _view, *_criteria(username, email))

    def search(self, wanted: ListQuery, *, enabled: bool | None = None, role: str | None = None) -> Found[UserView]:
        """Read a list of users: all, the enabled or the disabled ones, all or the members of one role."""
        has_role = None if role is None else User.id.in_(_having(role))
        with self._store.reading() as session:
            return USERS.search(session, wanted, _view, is_enabled(User, enabled), has_role)

    def _changed_digest(self, actor: Actor, user_id: str, changes: UserChanges) -> str | None:
        present = self.get(user_id)
        password = None if isinstance(changes.password, Unset) else changes.password
        names = (getattr(changes, name) for name in NAMES)
        own = (getattr(present, name) if new is UNSET else new for name, new in zip(NAMES, names, strict=True))
        return self._new_digest(actor, password, *own)

    def _new_digest(self, actor: Actor, password: str | None, *names: str | None) -> str | None:
        """Hash before the transaction: the write lock is not held for it. A password is a credential."""
        if password is None:
            return None
        refuse_delegates(actor)
        return self._passwords.accept(password, *names)

    def _assign_roles(self, session: Session, actor: Actor, row: User, names: tuple[str, ...]) -> None:
        roles = load_assignable_roles(session, names, "user")
        refuse_exceeding(actor, grants_of_roles(session, [role.id for role in roles]), self._management)
        row.roles = roles if inspect(row).transient else keep_provided(session, row.id, roles)


def _apply(row: User, changes: UserChanges) -> None:
    assign(
        row,
        changes,
        "enabled",
        username=partial(checked_username, present=row.username),
        email=partial(checked_email, present=row.email),
        display_name=partial(optional_name, field="display_name"),
    )


def _having(role: str) -> Select[str]:
    return select(UserRole.user_id).join(Role, Role.id == UserRole.role_id).where(Role.name == plain_name(role))


def _criteria(username: str | None, email: str | None) -> Iterator[ColumnElement[bool]]:
    if username is not None:
        yield has_username(username)
    if email is not None:
        yield or_(User.email_key == email_key(plain_name(email)), User.email == email)


def _load(session: Session, user_id: str, *, lock: bool = False) -> User:
    return USERS.load(session, User.id == user_id, lock=lock)


def _view(row: User) -> UserView:
    outside = {one.role_id for one in row.provided}
    provided = tuple(sorted(role.name for role in row.roles if role.id in outside))
    return view_of(UserView, row, roles=tuple(sorted(role.name for role in row.roles)), provided_roles=provided)
