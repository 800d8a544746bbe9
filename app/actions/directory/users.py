"""Users: people with a password, roles, and tokens of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.orm import Session, selectinload

from app.access.rbac import grants_of_roles, grants_of_user
from app.access.scopes import Scopes
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import keeping_administrators
from app.actions.directory.changes import UNSET, Unset
from app.actions.directory.guard import refuse_delegates, refuse_exceeding
from app.actions.directory.names import checked_email, checked_username, optional_name
from app.actions.directory.paging import page
from app.actions.directory.roles import assignable
from app.actions.directory.uniqueness import refusing_duplicates
from app.actions.sign_in.passwords import Passwords
from app.actions.sign_in.sessions import end_sessions
from app.clock import Clock
from app.database.locks import for_update
from app.database.store import Store
from app.database.types import new_id
from app.errors import NotFound
from app.models import User
from app.models.names import email_key, plain_name
from app.models.user import has_username

TARGET = "user"
TAKEN = {"username": "another user has this username", "email": "another user has this email address"}


@dataclass(frozen=True, slots=True)
class NewUser:
    """What a new user shall be; without a password nobody signs in as them. `roles` are names."""

    username: str
    email: str | None = None
    password: str | None = field(default=None, repr=False)
    display_name: str = ""
    enabled: bool = True
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UserChanges:
    """What changes of a user; a field left UNSET stays as it is."""

    username: str | Unset = UNSET
    email: str | Unset | None = UNSET
    password: str | Unset = field(default=UNSET, repr=False)
    display_name: str | Unset = UNSET
    enabled: bool | Unset = UNSET
    roles: tuple[str, ...] | Unset = UNSET


@dataclass(frozen=True, slots=True)
class UserView:
    """A user as shown: never the password's hash."""

    id: str
    username: str
    email: str | None
    display_name: str
    enabled: bool
    roles: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Profile:
    """A user, and what their roles give at this moment."""

    user: UserView
    scopes: Scopes


class UserActions:
    """An operator's work on users."""

    def __init__(self, store: Store, passwords: Passwords, management_identifier: str, clock: Clock) -> None:
        self._store = store
        self._passwords = passwords
        self._management = management_identifier
        self._clock = clock

    def create(self, actor: Actor, new: NewUser) -> UserView:
        """Make a user. Raises Invalid, Duplicate, Forbidden (roles that carry more than the caller)."""
        now = self._clock()
        username, email = checked_username(new.username), checked_email(new.email)
        display_name = optional_name(new.display_name, "display_name")
        password_digest = self._new_digest(actor, new.password, username, email, display_name)
        with refusing_duplicates(TAKEN["username"], **TAKEN), self._store.transaction() as session:
            row = User(
                id=new_id("usr"),
                username=username,
                email=email,
                password_digest=password_digest,
                display_name=display_name,
                enabled=new.enabled,
                created_at=now,
            )
            self._assign(session, actor, row, new.roles)
            session.add(row)
            record(session, actor, f"{TARGET}.create", TARGET, row.id, now, username=username, roles=list(new.roles))
            session.flush()
            return _view(row)

    def change(self, actor: Actor, user_id: str, changes: UserChanges, but_session: str | None = None) -> UserView:
        """Change what is named; roles and `enabled` are felt at once by every credential of the user.

        A new password, or being disabled, ends the user's sign-ins, `but_session` if one is named.
        Raises NotFound, Invalid, Duplicate, Forbidden (the user carries more than the caller, or would), Conflict (the
        last administrator).
        """
        now = self._clock()
        named = [name for name in UserChanges.__slots__ if getattr(changes, name) is not UNSET]
        password_digest = None if isinstance(changes.password, Unset) else self._hashed(actor, user_id, changes)
        with (
            refusing_duplicates(TAKEN["username"], **TAKEN),
            self._store.transaction() as session,
            keeping_administrators(session, actor, now),
        ):
            row = _found(session, user_id, changing=True)
            refuse_exceeding(actor, grants_of_user(session, user_id), self._management)
            if password_digest is not None:
                row.password_digest = password_digest
            if not isinstance(changes.roles, Unset):
                self._assign(session, actor, row, changes.roles)
            _apply(row, changes)
            if password_digest is not None or not row.enabled:
                end_sessions(session, user_id, but_session)
            roles = [role.name for role in row.roles]
            record(session, actor, f"{TARGET}.update", TARGET, user_id, now, changed=named, roles=roles)
            session.flush()
            return _view(row)

    def delete(self, actor: Actor, user_id: str) -> None:
        """Take a user away, and every token with them. Raises NotFound, Forbidden, Conflict (last administrator)."""
        now = self._clock()
        with self._store.transaction() as session, keeping_administrators(session, actor, now):
            row = _found(session, user_id, changing=True)
            refuse_exceeding(actor, grants_of_user(session, user_id), self._management)
            session.execute(delete(User).where(User.id == user_id))
            record(session, actor, f"{TARGET}.delete", TARGET, user_id, now, username=row.username)

    def get(self, user_id: str) -> UserView:
        """Show one user; raises NotFound."""
        with self._store.reading() as session:
            return _view(_found(session, user_id))

    def profile(self, user_id: str) -> Profile:
        """Show a user with the scopes that the roles give now; raises NotFound."""
        with self._store.reading() as session:
            return Profile(_view(_found(session, user_id)), grants_of_user(session, user_id).scopes)

    def page(
        self,
        limit: int,
        after: str | None = None,
        username: str | None = None,
        email: str | None = None,
        begins: str | None = None,
    ) -> tuple[list[UserView], str | None]:
        """List users, oldest first, of one username or email address if asked, or whose username `begins` so."""
        query = _whole() if username is None else _whole().where(has_username(username))
        query = (
            query
            if email is None
            else query.where(or_(User.email_key == email_key(plain_name(email)), User.email == email))
        )
        if begins is not None:
            key = func.coalesce(User.username_key, func.lower(User.username))
            query = query.where(key.startswith(plain_name(begins).lower(), autoescape=True))
        with self._store.reading() as session:
            rows, cursor = page(session, query, User.id, limit, after)
            return [_view(row) for row in rows], cursor

    def _hashed(self, actor: Actor, user_id: str, changes: UserChanges) -> str | None:
        present = self.get(user_id)
        username = present.username if isinstance(changes.username, Unset) else changes.username
        email = present.email if isinstance(changes.email, Unset) else changes.email
        password = None if isinstance(changes.password, Unset) else changes.password
        display_name = present.display_name if isinstance(changes.display_name, Unset) else changes.display_name
        return self._new_digest(actor, password, username, email, display_name)

    def _new_digest(self, actor: Actor, password: str | None, *names: str | None) -> str | None:
        """Hash before the transaction: the write lock is not held for it. A password is a credential."""
        if password is None:
            return None
        refuse_delegates(actor)
        return self._passwords.accept(password, *names)

    def _assign(self, session: Session, actor: Actor, row: User, names: tuple[str, ...]) -> None:
        roles = assignable(session, names, "user")
        refuse_exceeding(actor, grants_of_roles(session, [role.id for role in roles]), self._management)
        row.roles = roles


def _apply(row: User, changes: UserChanges) -> None:
    if not isinstance(changes.username, Unset):
        row.username = checked_username(changes.username, row.username)
    if not isinstance(changes.email, Unset):
        row.email = checked_email(changes.email, row.email)
    if not isinstance(changes.display_name, Unset):
        row.display_name = optional_name(changes.display_name, "display_name")
    if not isinstance(changes.enabled, Unset):
        row.enabled = changes.enabled


def _whole() -> Select[User]:
    return select(User).options(selectinload(User.roles))


def _found(session: Session, user_id: str, *, changing: bool = False) -> User:
    query = _whole().where(User.id == user_id)
    row = session.scalar(for_update(query, User) if changing else query)
    if row is None:
        raise NotFound("there is no such user")
    return row


def _view(row: User) -> UserView:
    roles = tuple(sorted(role.name for role in row.roles))
    return UserView(row.id, row.username, row.email, row.display_name, row.enabled, roles, row.created_at)
