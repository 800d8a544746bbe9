"""Is this the user they say they are? By username and password; guessing is slowed down, tokens never are."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import select

from app.access.rbac import grants_of_user
from app.access.scopes import Scopes
from app.actions.actor import Actor, anonymous
from app.actions.audit import record
from app.actions.clock import Clock
from app.actions.key_limits import Limiter
from app.actions.passwords import Passwords
from app.actions.users import LONGEST_USERNAME, USERNAME, has_username
from app.database import Store
from app.errors import TooManyRequests, Unauthenticated
from app.models import User
from app.settings import Settings

FAILURES = 20  # for one username from one address
WINDOW = 60  # seconds


@dataclass(frozen=True, slots=True)
class _Known:
    id: str
    username: str
    password_digest: str | None
    enabled: bool


class AuthenticateUser:
    """Unknown user, no password, wrong password and disabled user take as long and answer alike."""

    def __init__(self, store: Store, passwords: Passwords, limiter: Limiter, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._passwords = passwords
        self._limiter = limiter if settings.rate_limits == "on" else None
        self._management = settings.management_identifier
        self._clock = clock

    def __call__(self, username: str, password: str, address: str | None, request_id: str | None) -> Actor:
        """Give the user as an actor, with the scopes of our API that the roles give now.

        Raises Unauthenticated, and TooManyRequests once 20 tries in a minute have failed.
        """
        key = "basic:" + sha256(f"{username.lower()}\n{address}".encode("utf-8", "surrogatepass")).hexdigest()
        self._refuse_spent(key)
        user = self._find(username)
        if not self._passwords.verify(user.password_digest if user else None, password) or not (user and user.enabled):
            self._failed(key, user, address, request_id)
            raise Unauthenticated("the username or the password is wrong")
        return Actor(
            type="user",
            id=user.id,
            name=user.username,
            management=self._management_scopes(user.id),
            address=address,
            request_id=request_id,
        )

    def _find(self, username: str) -> _Known | None:
        if len(username) > LONGEST_USERNAME or USERNAME.fullmatch(username) is None:
            return None
        columns = select(User.id, User.username, User.password_digest, User.enabled)
        with self._store.connection() as connection:
            row = connection.execute(columns.where(has_username(username))).one_or_none()
        return _Known(*row) if row else None

    def _management_scopes(self, user_id: str) -> Scopes:
        with self._store.connection() as connection:
            return grants_of_user(connection, user_id).on([self._management]).scopes

    def _failed(self, key: str, user: _Known | None, address: str | None, request_id: str | None) -> None:
        """Leave a trace and count; the text that was sent may be a password, so it is not kept."""
        now = self._clock()
        with self._store.transaction() as session:
            target = user.id if user else "unknown"
            record(session, anonymous(address, request_id), "authentication.fail", "user", target, now, by="password")
        if self._limiter is not None:
            self._limiter.hit(key, FAILURES, WINDOW)

    def _refuse_spent(self, key: str) -> None:
        window = self._limiter.look(key, FAILURES, WINDOW) if self._limiter else None
        if window is not None and not window.admitted:
            raise TooManyRequests("too many failed sign-ins: try again later", window.reset_seconds)
