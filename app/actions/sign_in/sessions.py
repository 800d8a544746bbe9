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
from app.clock import Clock
from app.crypto.opaque import digest
from app.database.redaction import redact
from app.database.statements import delete_expired
from app.database.store import Store
from app.database.types import new_id
from app.errors import NotFound
from app.models import User, UserSession

TARGET = "user_session"
MAX_AGE = timedelta(days=30)
IDLE = timedelta(hours=24)  # a session ends after this time without a request
FRESH = timedelta(minutes=15)  # since the sign-in: required to end other sessions
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
    fresh: bool  # signed in a short while ago
    signed_in_at: datetime  # when the session began


class SessionActions:
    """Start, use, list and end the sessions of browsers."""

    def __init__(self, store: Store, management_identifier: str, clock: Clock) -> None:
        self._store = store
        self._management = management_identifier
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
        """Start a session for an authenticated user; `agent` is the browser's User-Agent.

        `instead_of`, the previous session of this browser, ends in the same transaction. `methods` are how the user
        authenticated (RFC 8176), `provider` and `provider_session` an identity provider's id and its `sid`.
        """
        now, started = self._clock(), StartedSession(new_id("ses"), secrets.token_urlsafe(32))
        with self._store.transaction() as session:
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
            record(session, actor, f"{TARGET}.begin", TARGET, started.id, now, methods=list(methods))
            if instead_of is not None and _delete(session, UserSession.id == instead_of):
                record(session, actor, f"{TARGET}.end", TARGET, instead_of, now)
        return started

    def use(self, secret: str, address: str | None, request_id: str | None) -> SignedIn | None:
        """Return the user of this session secret; None when the session is unknown or has ended."""
        now = self._clock()
        query = select(UserSession, User.username, User.display_name).join(User, User.id == UserSession.user_id)
        with self._store.reading() as session:
            found = session.execute(query.where(UserSession.digest == digest(secret), User.enabled)).one_or_none()
            if found is None or found[0].ends_at <= now:
                return None
            row, username, display_name = found
            management = grants_of_user(session, row.user_id).on([self._management]).scopes
        if now - row.last_used_at >= UPDATE_INTERVAL:
            self._store_use(row.id, now, min(now + IDLE, row.created_at + MAX_AGE))
        actor = Actor("user", row.user_id, username, row.id, management, address=address, request_id=request_id)
        begun = row.created_at
        return SignedIn(actor, row.id, display_name or username, now - begun < FRESH, begun)

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
