"""Sign-ins of users in browsers: begun with a password, listed, and ended one by one or all together."""

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
LONGEST = timedelta(days=30)
IDLE = timedelta(hours=24)  # without a request it is over
FRESH = timedelta(minutes=15)  # since somebody proved who they are: long enough to end other sign-ins
NOTED = timedelta(minutes=1)  # how often its use is written down
LONGEST_AGENT = 200  # characters
AGENT_WORD = re.compile(r"[^\s;,()]{25,}+")
PRODUCT = re.compile(r"[A-Za-z-]{1,40}+/[0-9][0-9._]{0,30}")  # RFC 9110 §10.1.5


@dataclass(frozen=True, slots=True)
class SessionView:
    """A sign-in as shown: never its secret or digest."""

    id: str
    created_at: datetime
    last_used_at: datetime
    ends_at: datetime
    address: str | None
    agent: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A new sign-in; `secret` is for the cookie and nowhere else."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who uses a browser now, and by which sign-in."""

    actor: Actor
    session_id: str
    display_name: str
    fresh: bool  # they proved it a short while ago


class SessionActions:
    """What a browser's cookie stands for."""

    def __init__(self, store: Store, management_identifier: str, clock: Clock) -> None:
        self._store = store
        self._management = management_identifier
        self._clock = clock

    def begin(self, actor: Actor, agent: str, instead_of: str | None = None) -> Begun:
        """Sign a user in who has just proved who they are; `agent` is what the browser calls itself.

        The browser's session of before, `instead_of`, ends with it.
        """
        now, begun = self._clock(), Begun(new_id("ses"), secrets.token_urlsafe(32))
        with self._store.transaction() as session:
            delete_expired(session, UserSession, UserSession.ends_at <= now)
            session.add(
                UserSession(
                    id=begun.id,
                    user_id=actor.id,
                    digest=digest(begun.secret),
                    created_at=now,
                    last_used_at=now,
                    ends_at=now + IDLE,
                    address=actor.address,
                    agent=_plain(agent),
                )
            )
            record(session, actor, f"{TARGET}.begin", TARGET, begun.id, now)
            if instead_of is not None and _ended(session, UserSession.id == instead_of):
                record(session, actor, f"{TARGET}.end", TARGET, instead_of, now)
        return begun

    def use(self, secret: str, address: str | None, request_id: str | None) -> SignedIn | None:
        """Tell who is signed in with this secret; None when nobody is any more."""
        now = self._clock()
        query = select(UserSession, User.username, User.display_name).join(User, User.id == UserSession.user_id)
        with self._store.reading() as session:
            found = session.execute(query.where(UserSession.digest == digest(secret), User.enabled)).one_or_none()
            if found is None or found[0].ends_at <= now:
                return None
            row, username, display_name = found
            management = grants_of_user(session, row.user_id).on([self._management]).scopes
        if now - row.last_used_at >= NOTED:
            self._note(row.id, now, min(now + IDLE, row.created_at + LONGEST))
        actor = Actor("user", row.user_id, username, row.id, management, address=address, request_id=request_id)
        return SignedIn(actor, row.id, display_name or username, now - row.created_at < FRESH)

    def page(self, user_id: str) -> list[SessionView]:
        """List a user's live sign-ins, the latest used first."""
        live = select(UserSession).where(UserSession.user_id == user_id, UserSession.ends_at > self._clock())
        with self._store.reading() as session:
            return [_view(row) for row in session.scalars(live.order_by(UserSession.last_used_at.desc()))]

    def end(self, actor: Actor, user_id: str, session_id: str) -> None:
        """End one sign-in at once; raises NotFound."""
        mine = UserSession.id == session_id, UserSession.user_id == user_id
        with self._store.transaction() as session:
            if not _ended(session, *mine):
                raise NotFound("there is no such session")
            record(session, actor, f"{TARGET}.end", TARGET, session_id, self._clock(), user=user_id)

    def end_others(self, actor: Actor, user_id: str, but: str) -> None:
        """End all sign-ins of a user at once, `but` one."""
        with self._store.transaction() as session:
            for ended in end_sessions(session, user_id, but):
                record(session, actor, f"{TARGET}.end", TARGET, ended, self._clock(), user=user_id)

    def _note(self, session_id: str, now: datetime, ends_at: datetime) -> None:
        query = update(UserSession).where(UserSession.id == session_id)
        with suppress(OperationalError, InternalError), self._store.transaction() as session:  # reading goes on without
            session.execute(query.values(last_used_at=now, ends_at=ends_at))


def end_sessions(session: Session, user_id: str, but: str | None = None) -> Sequence[str]:
    """End all sign-ins of a user in the caller's transaction, `but` one; gives their ids."""
    ended = delete(UserSession).where(UserSession.user_id == user_id).returning(UserSession.id)
    return session.scalars(ended if but is None else ended.where(UserSession.id != but)).all()


def _ended(session: Session, *which: ColumnElement[bool]) -> bool:
    return session.scalar(delete(UserSession).where(*which).returning(UserSession.id)) is not None


def _plain(agent: str) -> str:
    """Return what a browser calls itself, without long words that may be secrets; a product and its version stay."""
    printable = redact("".join(c for c in agent if c.isprintable()))
    return AGENT_WORD.sub(lambda found: found[0] if PRODUCT.fullmatch(found[0]) else "…", printable)[:LONGEST_AGENT]


def _view(row: UserSession) -> SessionView:
    return SessionView(row.id, row.created_at, row.last_used_at, row.ends_at, row.address, row.agent)
