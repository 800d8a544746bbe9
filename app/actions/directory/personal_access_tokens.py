"""Create, list, rename, regenerate and revoke personal access tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload, selectinload

from app.access.rbac import grants_of_user
from app.access.scopes import Grants, Scopes
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import LOCK
from app.actions.directory.changes import UNSET, Unset, assign
from app.actions.directory.escalation import refuse_delegates, refuse_exceeding
from app.actions.directory.fields import Description, Name, Status, Words
from app.actions.directory.lifetime import AskedLifetime, Policy
from app.actions.directory.names import checked_name
from app.actions.directory.rows import Page, Rows, view_of
from app.actions.directory.status import has_status, status_of
from app.actions.directory.uniqueness import translate_duplicates
from app.clock import Clock
from app.credentials.kind import Issued, Subject, Terms
from app.credentials.pat import PersonalAccessTokens
from app.crypto.opaque import hint
from app.database.locks import advisory_lock, keep_owners
from app.database.statements import batches
from app.database.store import Store
from app.errors import Conflict, Duplicate, Invalid, NotFound
from app.models import Permission, PersonalAccessToken, PersonalAccessTokenScope, User
from app.models.names import name_key

TARGET = "personal_access_token"
TOKENS = Rows(
    PersonalAccessToken,
    "the user has no such token",
    selectinload(PersonalAccessToken.scopes).options(
        joinedload(PersonalAccessTokenScope.permission), joinedload(PersonalAccessTokenScope.resource)
    ),
)


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to create."""

    name: Name
    scopes: Annotated[Words, Field(min_length=1)]
    lifetime: AskedLifetime
    description: Description = ""


@dataclass(frozen=True, slots=True)
class TokenChanges:
    """Changes of a token; a field left UNSET is not changed."""

    name: Name | Unset = UNSET
    description: Description | Unset = UNSET


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
    """Create, list, change and revoke a user's tokens: for their owner, and for an operator."""

    def __init__(
        self, store: Store, kind: PersonalAccessTokens, policy: Policy, management_identifier: str, clock: Clock
    ) -> None:
        self._store = store
        self._kind = kind
        self._policy = policy
        self._management = management_identifier
        self._clock = clock

    def create(self, actor: Actor, user_id: str, new: NewToken) -> tuple[TokenView, Issued]:
        """Create a token of scopes that the user's roles grant now; the secret is in `Issued` and nowhere else.

        Raises Forbidden, NotFound, Invalid (a scope the roles do not grant, a lifetime outside the policy), Duplicate.
        """
        refuse_delegates(actor)
        now, name = self._clock(), checked_name(new.name)
        expires_at = new.lifetime.resolve(now, self._policy)
        with self._store.connection() as connection:
            grants = _select_grants(connection, user_id, new.scopes)
        refuse_exceeding(actor, grants, self._management)
        terms = Terms(now, expires_at, grants.audience, grants, name, new.description)
        try:
            issued = self._issue(actor, user_id, terms, freeing=False)
        except IntegrityError:  # most likely of its name: an expired token may still have it
            issued = self._issue_freeing(actor, user_id, terms)
        return _new_view(user_id, terms, issued), issued

    def _issue(self, actor: Actor, user_id: str, terms: Terms, *, freeing: bool) -> Issued:
        with self._store.transaction() as session:
            if self._management in terms.grants.by_resource:  # a demotion meanwhile would leave its scopes dormant
                advisory_lock(session, LOCK)
                _select_grants(session, user_id, tuple(terms.grants.scopes))
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
        """Issue a new secret for the token, valid as long as before; the old one is invalid when this returns.

        Raises Forbidden, NotFound, Conflict for a revoked token, Duplicate when its name was taken after it expired.
        """
        refuse_delegates(actor)
        now, taken = self._clock(), "the user has another live token of this name"
        with translate_duplicates(taken), self._store.transaction() as session:
            row = _load(session, user_id, token_id, lock=True)
            if row.revoked_at is not None:
                raise Conflict("a revoked token cannot be regenerated: create a new one")
            if actor.id != user_id:  # an owner's dormant scopes, of other APIs, stay stored without effect
                refuse_exceeding(actor, _grants(row), self._management)
            _free_name(session, user_id, row.name, now, but=token_id)
            row.name_held = True
            issued = self._kind.reissue(session, row, now, self._renewed_expiry(row, now))
            record(session, actor, f"{TARGET}.regenerate", TARGET, token_id, now, user=user_id)
            return _view(row, now), issued

    def change(self, actor: Actor, user_id: str, token_id: str, changes: TokenChanges) -> TokenView:
        """Change the name or the description of a token. Raises NotFound, Invalid, Duplicate."""
        now = self._clock()
        name = UNSET if isinstance(changes.name, Unset) else checked_name(changes.name)
        with translate_duplicates("the user has a live token of this name"), self._store.transaction() as session:
            row = _load(session, user_id, token_id, lock=True)
            if not isinstance(name, Unset):
                _free_name(session, user_id, name, now, but=token_id)
                row.name, row.name_held = name, status_of(row, now) == "active"
            assign(row, changes, "description")
            record(session, actor, f"{TARGET}.update", TARGET, token_id, now, user=user_id)
            session.flush()
            return _view(row, now)

    def revoke(self, actor: Actor, user_id: str, token_id: str) -> None:
        """Revoke a token; revoking it again changes nothing. Raises NotFound, Forbidden (it carries too much)."""
        with self._store.transaction() as session:
            self._revoke(session, actor, _load(session, user_id, token_id), self._clock())

    def revoke_all(self, session: Session, actor: Actor, token_ids: Sequence[str], at: datetime) -> int:
        """Revoke tokens of any users within the caller's transaction; return how many were not revoked before.

        Raises Forbidden (one carries too much).
        """
        for some in batches(token_ids):
            keep_owners(session, User, select(PersonalAccessToken.user_id).where(PersonalAccessToken.id.in_(some)))
        rows = (row for some in batches(token_ids) for row in TOKENS.all(session, PersonalAccessToken.id.in_(some)))
        return sum(self._revoke(session, actor, row, at) for row in rows)

    def _revoke(self, session: Session, actor: Actor, row: PersonalAccessToken, at: datetime) -> bool:
        owner = actor.id == row.user_id
        if not owner or actor.delegated:  # an owner may revoke dormant scopes, too
            refuse_exceeding(actor, _grants(row), self._management)
        reason = "revoked by its owner" if owner else "revoked by an operator"
        ended = self._kind.revoke(session, row.id, at, reason)
        if ended:
            record(session, actor, f"{TARGET}.revoke", TARGET, row.id, at, user=row.user_id)
        return ended

    def get(self, user_id: str, token_id: str) -> TokenView:
        """Return one token of this user. Raises NotFound."""
        with self._store.reading() as session:
            return _view(_load(session, user_id, token_id), self._clock())

    def owner_of(self, token_id: str) -> str:
        """Return the id of the user whose token this is. Raises NotFound."""
        with self._store.connection() as connection:
            found = connection.scalar(select(PersonalAccessToken.user_id).where(PersonalAccessToken.id == token_id))
        if found is None:
            raise NotFound("there is no such token")
        return found

    def delete(self, actor: Actor, user_id: str, token_id: str) -> None:
        """Delete an expired token, which then leaves the list; its events remain. Raises NotFound, Conflict."""
        refuse_delegates(actor)
        now = self._clock()
        with self._store.transaction() as session:
            row = _load(session, user_id, token_id, lock=True)
            if status_of(row, now) != "expired":
                raise Conflict("only an expired token can be deleted: revoke one that is active")
            session.delete(row)
            record(session, actor, f"{TARGET}.delete", TARGET, token_id, now, user=user_id, name=row.name)

    def page(
        self,
        user_id: str,
        limit: int,
        after: str | None = None,
        status: Status | None = None,
        *,
        search: str | None = None,
        newest_first: bool = False,
    ) -> Page[TokenView]:
        """List a user's tokens, oldest first unless `newest_first`; `search` is a part of a name, a text or a scope.

        Raises NotFound for an unknown user.
        """
        now = self._clock()
        with self._store.reading() as session:
            _require_user(session, user_id)
            of_user = PersonalAccessToken.user_id == user_id
            of_status = None if status is None else has_status(PersonalAccessToken, status, now)
            criteria = of_user, of_status, None if search is None else _matches(search)
            return TOKENS.page(session, limit, after, partial(_view, now=now), *criteria, newest_first=newest_first)

    def _renewed_expiry(self, row: PersonalAccessToken, now: datetime) -> datetime | None:
        longest = self._policy.longest
        if row.expires_at is None:
            return None if longest is None else now + timedelta(seconds=longest)
        lifetime = row.expires_at - row.issued_at
        return now + (lifetime if longest is None else min(lifetime, timedelta(seconds=longest)))


def _require_user(connection: Connection | Session, user_id: str) -> None:
    if connection.scalar(select(User.id).where(User.id == user_id)) is None:
        raise NotFound("there is no such user")


def _select_grants(connection: Connection | Session, user_id: str, names: tuple[str, ...]) -> Grants:
    asked = Scopes.of(*names)
    given = grants_of_user(connection, user_id)
    if not given.scopes:
        _require_user(connection, user_id)
    if not asked:
        raise Invalid.field("scopes", "at least one scope is needed")
    if missing := asked - given.scopes:
        raise Invalid.field("scopes", f"not given by the user's roles: {missing}")
    return given.only(asked)


def _matches(part: str) -> ColumnElement[bool]:
    """Return the criterion for tokens with this part in their name, description, hint or scopes, in any case."""
    row, in_scope = PersonalAccessToken, Permission.name.icontains(part, autoescape=True)
    texts = (column.icontains(part, autoescape=True) for column in (row.name, row.description, row.hint))
    scopes = row.scopes.any(PersonalAccessTokenScope.permission.has(in_scope))
    return or_(*texts, row.held_as.contains(name_key(part), autoescape=True), scopes)  # SQLite folds ASCII alone


def _load(session: Session, user_id: str, token_id: str, *, lock: bool = False) -> PersonalAccessToken:
    of_user = PersonalAccessToken.user_id == user_id
    return TOKENS.load(session, PersonalAccessToken.id == token_id, of_user, lock=lock)


def _free_name(session: Session, user_id: str, name: str, now: datetime, but: str = "") -> None:
    """Release the name from expired tokens: it is unique among live ones only."""
    same = or_(PersonalAccessToken.held_as == name_key(name), PersonalAccessToken.name == name)
    mine = PersonalAccessToken.user_id == user_id, same, PersonalAccessToken.id != but
    over = PersonalAccessToken.name_held, PersonalAccessToken.expires_at <= now
    session.execute(update(PersonalAccessToken).where(*mine, *over).values(name_held=False))


def _grants(row: PersonalAccessToken) -> Grants:
    return Grants.of((s.resource.identifier, s.permission.name) for s in row.scopes if s.permission is not None)


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
    return view_of(TokenView, row, scopes=tuple(_grants(row).scopes), status=status_of(row, now))
