"""Authenticate users by username and password; guessing is rate-limited."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import case, func, select

from app.access.rbac import grants_of_user
from app.access.scopes import Scopes
from app.actions.audit.actor import Actor, anonymous
from app.actions.limits.abuse import (
    PASSWORD,
    PASSWORDS_OF_ADDRESS,
    PASSWORDS_OF_USERNAME,
    WAIT,
    AbuseLimits,
    Counter,
    neighbourhood,
)
from app.actions.outbox.notices import Notices
from app.actions.sign_in.failed_authentications import FailedAuthentications
from app.actions.sign_in.known_addresses import KnownAddresses
from app.actions.sign_in.password_policy import OFF, PasswordPolicy
from app.actions.sign_in.passwords import Passwords
from app.clock import Clock
from app.crypto.probe_mac import ProbeMacs
from app.crypto.pseudonym import Pseudonyms
from app.database.store import Store
from app.errors import TooManyRequests, Unauthenticated
from app.models import User
from app.models.names import LONGEST_USERNAME, username_key
from app.models.user import has_username
from app.settings.settings import Settings

NOBODY = "usr_"  # the id of no user


@dataclass(frozen=True, slots=True)
class _Account:
    id: str
    username: str
    password_digest: str | None
    enabled: bool


class AuthenticateUser:
    """Checks a password; every failure, also for an unknown or disabled user, gets one answer in the same time."""

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        limits: AbuseLimits,
        failures: FailedAuthentications,
        notices: Notices,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._unknown = Pseudonyms(settings.secret_keys)
        self._probes = ProbeMacs(settings.secret_keys)
        self._store = store
        self._passwords = passwords
        self._limits = limits
        self._failures = failures
        self._known_addresses = KnownAddresses(store, notices, clock)
        self._management = settings.management_identifier
        self.policy = PasswordPolicy(settings.passwords, settings.management_identifier)
        self._clock = clock

    def __call__(
        self,
        username: str,
        password: str,
        address: str | None,
        request_id: str | None,
        *,
        signed_in: bool = False,
        probe: str = "",
    ) -> Actor:
        """Return the user as an actor, with the scopes of our API that the roles grant now; `note_place` comes last.

        `signed_in`: the user already has a session in this browser. `probe`: the mark of the comparison, whose failures
        neither count nor are recorded.
        Raise Unauthenticated, and TooManyRequests after too many failures (app/actions/limits/abuse.py). Users
        who may not use a password (PASSWORDS) get the answer to a wrong one; where nobody may, the answer says so.
        """
        if self.policy.off:
            raise Unauthenticated(OFF)
        counters = _Counters.of(username, address)
        wait = self._check_limits(counters, username, address, signed_in)
        user = self._find(username)
        if not self._passwords.verify(user.password_digest if user else None, password) or not (user and user.enabled):
            if not (user and self._probes.verify(probe, username, self._clock())):
                target = user.id if user else self._unknown.pseudonym_of(username, neighbourhood(address))
                self._record_failure(counters, target, anonymous(address, request_id))
            if wait:
                raise TooManyRequests(WAIT, wait)  # the same answer as from an unknown address, which is refused above
            raise Unauthenticated("the username or the password is wrong")
        if signed_in:
            self._known_addresses.note(user.id, user.username, address)
        return Actor(
            type="user",
            id=user.id,
            name=user.username,
            management=self._management_scopes(user.id),
            address=address,
            request_id=request_id,
        )

    def note_place(self, user: Actor) -> None:
        """Store where a user has signed in, and report a new place: after the last step, which a thief may not pass."""
        self._known_addresses.note(user.id, user.name, user.address)

    def _find(self, username: str) -> _Account | None:
        if len(username) > LONGEST_USERNAME or not username.isprintable():  # PostgreSQL refuses a NUL character
            return None
        ended = User.password_until <= self._clock()
        columns = select(User.id, User.username, case((ended, None), else_=User.password_digest), User.enabled)
        with self._store.connection() as connection:
            found = columns.where(has_username(username)).order_by(func.lower(User.username) != username.lower())
            row = connection.execute(found.limit(1)).one_or_none()
            allowed = self.policy.allows(connection, row.id if row else NOBODY)  # the same work for an unknown name
            return _Account(*row) if row and allowed else None

    def _management_scopes(self, user_id: str) -> Scopes:
        with self._store.connection() as connection:
            return grants_of_user(connection, user_id).on([self._management]).scopes

    def _record_failure(self, counters: _Counters, target: str, actor: Actor) -> None:
        """Count and record a failure, without the text that was sent, which may be a password."""
        counted = self._limits.count(counters.here, counters.of_username, counters.of_address)
        self._failures.record(actor, counted.traces, "user", target, by="password")

    def _check_limits(self, counters: _Counters, username: str, address: str | None, signed_in: bool) -> int:
        """Raise TooManyRequests when a limit is spent; return the seconds of wait for an unknown address."""
        if here := self._limits.wait(counters.here):
            raise TooManyRequests(WAIT, here)
        wait = self._limits.wait(counters.of_username, counters.of_address)
        if wait and not signed_in and not self._known_addresses.holds(username, address):
            raise TooManyRequests(WAIT, wait)
        return wait


@dataclass(frozen=True, slots=True)
class _Counters:
    """The counters of a failure."""

    here: Counter
    of_username: Counter
    of_address: Counter

    @classmethod
    def of(cls, username: str, address: str | None) -> _Counters:
        name = username_key(username[:LONGEST_USERNAME])  # other spellings share the counter
        return cls(PASSWORD.at(address, name), PASSWORDS_OF_USERNAME.of(name), PASSWORDS_OF_ADDRESS.at(address))
