"""Create, list, rename, regenerate and revoke personal access tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload, selectinload

from app.access.rbac import grants_of_user
from app.access.scopes import Grants, Scopes
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import LOCK
from app.actions.directory.guard import refuse_delegates, refuse_exceeding
from app.actions.directory.lifetime import AskedLifetime, Policy
from app.actions.directory.names import checked_name
from app.actions.directory.paging import page
from app.clock import Clock
from app.credentials.kind import Issued, Subject, Terms
from app.credentials.pat import PersonalAccessTokens
from app.crypto.opaque import hint
from app.database.locks import advisory_lock, for_update
from app.database.store import Store
from app.errors import Conflict, Duplicate, Invalid, NotFound
from app.models import PersonalAccessToken, PersonalAccessTokenScope, User
from app.models.names import name_key

Status = Literal["active", "expired", "revoked"]
TARGET = "personal_access_token"


@dataclass(frozen=True, slots=True)
class NewToken:
    """What a new token shall be."""

    name: str
    scopes: tuple[str, ...]
    lifetime: AskedLifetime
    description: str = ""


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token as it is shown: never its secret or digest."""

    id: str
    user_id: str
    name: str
    description: str
    scopes: tuple[str, ...]
    hint: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    status: Status
    revoked_at: datetime | None
    revoked_reason: str | None


class PersonalAccessTokenActions:
    """A user's tokens; an operator acts on them through the same methods."""

    def __init__(
        self, store: Store, kind: PersonalAccessTokens, policy: Policy, management_identifier: str, clock: Clock
    ) -> None:
        self._store = store
        self._kind = kind
        self._policy = policy
        self._management = management_identifier
        self._clock = clock

    def create(self, actor: Actor, user_id: str, new: NewToken) -> tuple[TokenView, Issued]:
        """Make a token of scopes that the user's roles give now; the secret is in `Issued` and nowhere else.

        Raises Forbidden, NotFound, Invalid (a scope the roles do not give, a lifetime out of the policy), Duplicate.
        """
        refuse_delegates(actor)
        now, name = self._clock(), checked_name(new.name)
        expires_at = new.lifetime.resolve(now, self._policy)
        with self._store.connection() as connection:
            grants = _chosen(connection, user_id, new.scopes)
        refuse_exceeding(actor, grants, self._management)
        terms = Terms(now, expires_at, grants.audience, grants, name, new.description)
        try:
            issued = self._issue(actor, user_id, terms, freeing=False)
        except IntegrityError:  # of its name, most likely: an expired token may still hold it
            issued = self._issue_freeing(actor, user_id, terms)
        return _new_view(user_id, terms, issued), issued

    def _issue(self, actor: Actor, user_id: str, terms: Terms, *, freeing: bool) -> Issued:
        with self._store.transaction() as session:
            if self._management in terms.grants.by_resource:  # a demotion meanwhile would leave its scopes dormant
                advisory_lock(session, LOCK)
                _chosen(session, user_id, tuple(terms.grants.scopes))
            if freeing:
                _free_name(session, user_id, terms.name, terms.at)
            issued = self._kind.issue(session, Subject(user_id), terms)
            details = {"user": user_id, "scopes": str(terms.grants.scopes)}
            record(session, actor, f"{TARGET}.create", TARGET, issued.credential_id, terms.at, **details)
            return issued

    def _issue_freeing(self, actor: Actor, user_id: str, terms: Terms) -> Issued:
        try:
            return self._issue(actor, user_id, terms, freeing=True)
        except IntegrityError:
            raise Duplicate("the user has a live token of this name") from None

    def regenerate(self, actor: Actor, user_id: str, token_id: str) -> tuple[TokenView, Issued]:
        """Give the token a new secret and as long a life again; the old secret is dead when this returns.

        Raises Forbidden, NotFound, Conflict for a revoked token, Duplicate when its name was taken after it expired.
        """
        refuse_delegates(actor)
        now = self._clock()
        try:
            with self._store.transaction() as session:
                row = _found(session, user_id, token_id, changing=True)
                if row.revoked_at is not None:
                    raise Conflict("a revoked token cannot be regenerated: create a new one")
                if actor.id != user_id:  # an owner's dormant scopes, of other APIs, stay stored without effect
                    refuse_exceeding(actor, _grants(row), self._management)
                _free_name(session, user_id, row.name, now, but=token_id)
                row.name_held = True
                issued = self._kind.reissue(session, row, now, self._renewed(row, now))
                record(session, actor, f"{TARGET}.regenerate", TARGET, token_id, now, user=user_id)
                return _view(row, now), issued
        except IntegrityError:
            raise Duplicate("the user has another live token of this name") from None

    def change(
        self, actor: Actor, user_id: str, token_id: str, name: str | None = None, description: str | None = None
    ) -> TokenView:
        """Rename or describe a token anew; None leaves alone. Raises NotFound, Duplicate."""
        now = self._clock()
        name = None if name is None else checked_name(name)
        try:
            with self._store.transaction() as session:
                row = _found(session, user_id, token_id, changing=True)
                if name is not None:
                    _free_name(session, user_id, name, now, but=token_id)
                    row.name, row.name_held = name, _status(row, now) == "active"
                if description is not None:
                    row.description = description
                record(session, actor, f"{TARGET}.update", TARGET, token_id, now, user=user_id)
                session.flush()
                return _view(row, now)
        except IntegrityError:
            raise Duplicate("the user has a live token of this name") from None

    def revoke(self, actor: Actor, user_id: str, token_id: str) -> None:
        """End a token for good; once more changes nothing. Raises NotFound, Forbidden (it carries too much)."""
        now, own = self._clock(), actor.id == user_id and not actor.delegated
        with self._store.transaction() as session:
            row = _found(session, user_id, token_id)
            if not own:  # an owner may revoke dormant scopes, too
                refuse_exceeding(actor, _grants(row), self._management)
            reason = "revoked by its owner" if actor.id == user_id else "revoked by an operator"
            if self._kind.revoke(session, token_id, now, reason):
                record(session, actor, f"{TARGET}.revoke", TARGET, token_id, now, user=user_id)

    def get(self, user_id: str, token_id: str) -> TokenView:
        """Show one token of this user; raises NotFound."""
        with self._store.reading() as session:
            return _view(_found(session, user_id, token_id), self._clock())

    def page(
        self, user_id: str, limit: int, after: str | None = None, status: Status | None = None
    ) -> tuple[list[TokenView], str | None]:
        """List a user's tokens, oldest first; raises NotFound for an unknown user."""
        now = self._clock()
        with self._store.reading() as session:
            _existing_user(session, user_id)
            query = _with_scopes().where(PersonalAccessToken.user_id == user_id)
            query = query.where(_has_status(status, now)) if status else query
            rows, cursor = page(session, query, PersonalAccessToken.id, limit, after)
            return [_view(row, now) for row in rows], cursor

    def _renewed(self, row: PersonalAccessToken, now: datetime) -> datetime | None:
        longest = self._policy.longest
        if row.expires_at is None:
            return None if longest is None else now + timedelta(seconds=longest)
        lifetime = row.expires_at - row.issued_at
        return now + (lifetime if longest is None else min(lifetime, timedelta(seconds=longest)))


def _existing_user(connection: Connection | Session, user_id: str) -> None:
    if connection.scalar(select(User.id).where(User.id == user_id)) is None:
        raise NotFound("there is no such user")


def _chosen(connection: Connection | Session, user_id: str, names: tuple[str, ...]) -> Grants:
    asked = Scopes.of(*names)
    given = grants_of_user(connection, user_id)
    if not given.scopes:
        _existing_user(connection, user_id)
    if not asked:
        raise Invalid.field("scopes", "at least one scope is needed")
    if missing := asked - given.scopes:
        raise Invalid.field("scopes", f"not given by the user's roles: {missing}")
    return given.only(asked)


def _with_scopes() -> Select[PersonalAccessToken]:
    chosen = selectinload(PersonalAccessToken.scopes)
    return select(PersonalAccessToken).options(
        chosen.options(joinedload(PersonalAccessTokenScope.permission), joinedload(PersonalAccessTokenScope.resource))
    )


def _found(session: Session, user_id: str, token_id: str, *, changing: bool = False) -> PersonalAccessToken:
    """Give the row; who is `changing` it waits for others that do: what is read stays true until the end."""
    query = _with_scopes().where(PersonalAccessToken.id == token_id, PersonalAccessToken.user_id == user_id)
    row = session.scalar(for_update(query, PersonalAccessToken) if changing else query)
    if row is None:
        raise NotFound("the user has no such token")
    return row


def _free_name(session: Session, user_id: str, name: str, now: datetime, but: str = "") -> None:
    """Let expired tokens give up the name: it is unique among live ones only."""
    same = or_(PersonalAccessToken.held_as == name_key(name), PersonalAccessToken.name == name)
    mine = PersonalAccessToken.user_id == user_id, same, PersonalAccessToken.id != but
    over = PersonalAccessToken.name_held, PersonalAccessToken.expires_at <= now
    session.execute(update(PersonalAccessToken).where(*mine, *over).values(name_held=False))


def _grants(row: PersonalAccessToken) -> Grants:
    return Grants.of((s.resource.identifier, s.permission.name) for s in row.scopes if s.permission is not None)


def _status(row: PersonalAccessToken, now: datetime) -> Status:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "active"


def _has_status(status: Status, now: datetime) -> ColumnElement[bool]:
    revoked = PersonalAccessToken.revoked_at.is_not(None)
    expired = and_(PersonalAccessToken.expires_at.is_not(None), PersonalAccessToken.expires_at <= now)
    live = or_(PersonalAccessToken.expires_at.is_(None), PersonalAccessToken.expires_at > now)
    return {"revoked": revoked, "expired": and_(~revoked, expired), "active": and_(~revoked, live)}[status]


def _new_view(user_id: str, terms: Terms, issued: Issued) -> TokenView:
    return TokenView(
        id=issued.credential_id,
        user_id=user_id,
        name=terms.name,
        description=terms.description,
        scopes=tuple(terms.grants.scopes),
        hint=hint(issued.token),
        created_at=terms.at,
        expires_at=terms.expires_at,
        last_used_at=None,
        status="active",
        revoked_at=None,
        revoked_reason=None,
    )


def _view(row: PersonalAccessToken, now: datetime) -> TokenView:
    return TokenView(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        description=row.description,
        scopes=tuple(_grants(row).scopes),
        hint=row.hint,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        status=_status(row, now),
        revoked_at=row.revoked_at,
        revoked_reason=row.revoked_reason,
    )
