"""Sessions of users in browsers: start, use, list, and end one or all of them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.exc import InternalError, OperationalError
from sqlalchemy.orm import Session

from app.access.rbac import grants_of_user
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.sign_in.factors import FactorPolicy, has_factor, includes_second
from app.clock import Clock
from app.crypto.opaque import digest
from app.database.redaction import redact
from app.database.statements import delete_expired
from app.database.store import Store
from app.database.types import new_id
from app.errors import NotFound, Unauthenticated
from app.models import User, UserSession
from app.settings.settings import Settings

TARGET = "user_session"
MAX_AGE = timedelta(days=30)
IDLE = timedelta(hours=24)  # a session ends after this time without a request
FRESH = timedelta(minutes=15)  # since the user last authenticated: required for what must not be done by a thief
DISABLED = "your account is disabled: ask an operator"
UPDATE_INTERVAL = timedelta(minutes=1)  # its last use is stored this often
MAX_AGENT_LENGTH = 200  # characters
AGENT_WORD = re.compile(r"[^\s;,()]{25,}+")
PRODUCT = re.compile(r"[A-Za-z-]{1,40}+/[0-9][0-9._]{0,30}")  # RFC 9110 §10.1.5


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as it is shown, without its secret or digest."""

    id: str
    created_at: datetime
    last_used_at: datetime
    ends_at: datetime
    address: str | None
    agent: str


@dataclass(frozen=True, slots=True)
class StartedSession:
    """A new session; `secret` is for the cookie only."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The signed-in user of a browser, and the session."""

    actor: Actor
    session_id: str
    display_name: str
    fresh: bool  # authenticated a short while ago, with a second factor if there is one
    signed_in_at: datetime  # when the session began
    methods: tuple[str, ...] = ()
    has_factor: bool = False
    lacks_factor: bool = False  # must have a second factor, and neither has one nor used one at a provider

    @property
    def must_confirm(self) -> bool:
        """Whether the user has a second factor, and has to use it again first."""
        return self.has_factor and not self.fresh


class SessionActions:
    """Start, use, list and end the sessions of browsers."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._management = settings.management_identifier
        self._policy = FactorPolicy(settings.require_second_factor)
        self._clock = clock

    def begin(
        self,
        actor: Actor,
        agent: str,
        instead_of: str | None = None,
        *,
        methods: Sequence[str] = (),
        provider: str | None = None,
        provider_session: str | None = None,
    ) -> StartedSession:
        """Start a session for a user who authenticated by these methods; `agent` is the browser's User-Agent.

        `instead_of`, the previous session of this browser, ends in the same transaction. `methods` are how the user
        authenticated (RFC 8176), `provider` and `provider_session` an identity provider's id and its `sid`.
        Raises Unauthenticated when the user was disabled or deleted meanwhile.
        """
        now, started = self._clock(), StartedSession(new_id("ses"), secrets.token_urlsafe(32))
        with self._store.transaction() as session:
            _refuse_disabled(session, actor.id)
            delete_expired(session, UserSession, UserSession.ends_at <= now)
            session.add(
                UserSession(
                    id=started.id,
                    user_id=actor.id,
                    digest=digest(started.secret),
                    created_at=now,
                    last_used_at=now,
                    ends_at=now + IDLE,
                    address=actor.address,
                    agent=_redact_agent(agent),
                    methods=list(methods),
                    provider=provider,
                    provider_session=provider_session,
                )
            )
            how = {"methods": list(methods)} if methods else {}
            record(session, actor, f"{TARGET}.begin", TARGET, started.id, now, **how)
            if instead_of is not None and _delete(session, UserSession.id == instead_of):
                record(session, actor, f"{TARGET}.end", TARGET, instead_of, now)
        return started

    def use(self, secret: str, address: str | None, request_id: str | None) -> SignedIn | None:
        """Return the user of this session secret; None when the session is unknown or has ended."""
        now = self._clock()
        columns = UserSession, User.username, User.display_name, has_factor(User.id)
        query = select(*columns).join(User, User.id == UserSession.user_id)
        with self._store.reading() as session:
            found = session.execute(query.where(UserSession.digest == digest(secret), User.enabled)).one_or_none()
            if found is None or found[0].ends_at <= now:
                return None
            row, username, display_name, factor = found
            name = display_name or username
            management = grants_of_user(session, row.user_id).on([self._management]).scopes
            actor = Actor("user", row.user_id, username, row.id, management, address=address, request_id=request_id)
            proven = factor or includes_second(row.methods)  # or an identity provider vouches for one
            lacks_factor = not proven and self._policy.requires(session, manages=actor.manages)
        if now - row.last_used_at >= UPDATE_INTERVAL:
            self._store_use(row.id, now, min(now + IDLE, row.created_at + MAX_AGE))
        fresh = now - (row.confirmed_at or row.created_at) < FRESH and (not factor or includes_second(row.methods))
        return SignedIn(actor, row.id, name, fresh, row.created_at, tuple(row.methods), factor, lacks_factor)

    def confirm(self, actor: Actor, session_id: str, method: str) -> StartedSession:
        """Note that the user authenticated again by a method; the session gets a new secret. Raises NotFound."""
        now, renewed = self._clock(), StartedSession(session_id, secrets.token_urlsafe(32))
        with self._store.transaction() as session:
            row = note_method(session, actor.id, session_id, method, now)
            if row is None:
                raise NotFound("there is no such session")
            row.digest = digest(renewed.secret)
            record(session, actor, f"{TARGET}.confirm", TARGET, session_id, now, method=method)
        return renewed

    def page(self, user_id: str) -> list[SessionView]:
        """List a user's live sessions, the most recently used first."""
        live = select(UserSession).where(UserSession.user_id == user_id, UserSession.ends_at > self._clock())
        with self._store.reading() as session:
            return [_view(row) for row in session.scalars(live.order_by(UserSession.last_used_at.desc()))]

    def end(self, actor: Actor, user_id: str, session_id: str) -> None:
        """End one session at once; raise NotFound."""
        mine = UserSession.id == session_id, UserSession.user_id == user_id
        with self._store.transaction() as session:
            if not _delete(session, *mine):
                raise NotFound("there is no such session")
            record(session, actor, f"{TARGET}.end", TARGET, session_id, self._clock(), user=user_id)

    def end_others(self, actor: Actor, user_id: str, but: str) -> None:
        """End all sessions of a user at once, except `but`."""
        with self._store.transaction() as session:
            for ended in end_sessions(session, user_id, but):
                record(session, actor, f"{TARGET}.end", TARGET, ended, self._clock(), user=user_id)

    def _store_use(self, session_id: str, now: datetime, ends_at: datetime) -> None:
        query = update(UserSession).where(UserSession.id == session_id)
        # a database that is read-only or busy must not fail the request
        with suppress(OperationalError, InternalError), self._store.transaction() as session:
            session.execute(query.values(last_used_at=now, ends_at=ends_at))


def _refuse_disabled(session: Session, user_id: str) -> None:
    """Keep the user as it is until the transaction ends: a session that begins beside a disabling would survive it."""
    if not session.scalar(select(User.enabled).where(User.id == user_id).with_for_update(read=True)):
        raise Unauthenticated(DISABLED)


def note_method(session: Session, user_id: str, session_id: str, method: str, at: datetime) -> UserSession | None:
    """Note in the caller's transaction that a user authenticated again by a method; return the session."""
    mine = UserSession.id == session_id, UserSession.user_id == user_id
    row = session.scalars(select(UserSession).where(*mine).with_for_update()).one_or_none()
    if row is not None:
        row.methods, row.confirmed_at = [*row.methods, *{method}.difference(row.methods)], at
    return row


def end_sessions(session: Session, user_id: str, but: str | None = None) -> Sequence[str]:
    """End all sessions of a user in the caller's transaction, except `but`; return their ids."""
    ended = delete(UserSession).where(UserSession.user_id == user_id).returning(UserSession.id)
    return session.scalars(ended if but is None else ended.where(UserSession.id != but)).all()


def _delete(session: Session, *conditions: ColumnElement[bool]) -> bool:
    return session.scalar(delete(UserSession).where(*conditions).returning(UserSession.id)) is not None


def _redact_agent(agent: str) -> str:
    """Return a User-Agent without long words that may be secrets; products with a version are kept."""
    printable = redact("".join(c for c in agent if c.isprintable()))
    return AGENT_WORD.sub(lambda found: found[0] if PRODUCT.fullmatch(found[0]) else "…", printable)[:MAX_AGENT_LENGTH]


def _view(row: UserSession) -> SessionView:
    return SessionView(row.id, row.created_at, row.last_used_at, row.ends_at, row.address, row.agent)
