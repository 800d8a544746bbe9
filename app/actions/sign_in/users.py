"""Is this the user they say they are? By username and password; guessing is slowed down, tokens never are."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

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
from app.actions.sign_in.failed_authentications import FailedAuthentications
from app.actions.sign_in.known_addresses import KnownAddresses
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


@dataclass(frozen=True, slots=True)
class _Known:
    id: str
    username: str
    password_digest: str | None
    enabled: bool


class AuthenticateUser:
    """Unknown user, no password, wrong password and disabled user take as long and answer alike."""

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        limits: AbuseLimits,
        failures: FailedAuthentications,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._unknown = Pseudonyms(settings.secret_keys)
        self._probes = ProbeMacs(settings.secret_keys)
        self._store = store
        self._passwords = passwords
        self._limits = limits
        self._failures = failures
        self._known = KnownAddresses(store, clock)
        self._management = settings.management_identifier
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
        """Give the user as an actor, with the scopes of our API that the roles give now.

        `signed_in`: a session of theirs shows already that this is no stranger. `probe`: the mark of the comparison,
        whose failures neither count nor leave a trace.
        Raises Unauthenticated, and TooManyRequests once too many tries have failed (app/actions/limits/abuse.py).
        """
        tries = _Tries.of(username, address)
        wait = self._refuse_spent(tries, username, address, signed_in)
        user = self._find(username)
        if not self._passwords.verify(user.password_digest if user else None, password) or not (user and user.enabled):
            if not (user and self._probes.verify(probe, username, self._clock())):
                target = user.id if user else self._unknown.pseudonym_of(username, neighbourhood(address))
                self._failed(tries, target, anonymous(address, request_id))
            if wait:
                raise TooManyRequests(WAIT, wait)  # as a stranger is told, who does not get as far as here
            raise Unauthenticated("the username or the password is wrong")
        self._known.note(user.id, address)
        return Actor(
            type="user",
            id=user.id,
            name=user.username,
            management=self._management_scopes(user.id),
            address=address,
            request_id=request_id,
        )

    def _find(self, username: str) -> _Known | None:
        if len(username) > LONGEST_USERNAME or not username.isprintable():  # PostgreSQL would refuse a NUL
            return None
        columns = select(User.id, User.username, User.password_digest, User.enabled)
        with self._store.connection() as connection:
            found = columns.where(has_username(username)).order_by(func.lower(User.username) != username.lower())
            row = connection.execute(found.limit(1)).one_or_none()
        return _Known(*row) if row else None

    def _management_scopes(self, user_id: str) -> Scopes:
        with self._store.connection() as connection:
            return grants_of_user(connection, user_id).on([self._management]).scopes

    def _failed(self, tries: _Tries, target: str, actor: Actor) -> None:
        """Count and leave a trace; the text that was sent may be a password, so it is not kept."""
        counted = self._limits.count(tries.here, tries.of_username, tries.of_address)
        self._failures.record(actor, counted.traces, "user", target, by="password")

    def _refuse_spent(self, tries: _Tries, username: str, address: str | None, signed_in: bool) -> int:
        """Raise TooManyRequests for who must wait; give the seconds that strangers would have to, 0 for none."""
        if here := self._limits.wait(tries.here):
            raise TooManyRequests(WAIT, here)
        wait = self._limits.wait(tries.of_username, tries.of_address)
        if wait and not signed_in and not self._known.holds(username, address):
            raise TooManyRequests(WAIT, wait)
        return wait


@dataclass(frozen=True, slots=True)
class _Tries:
    """What a failure counts against."""

    here: Counter
    of_username: Counter
    of_address: Counter

    @classmethod
    def of(cls, username: str, address: str | None) -> _Tries:
        name = username_key(username[:LONGEST_USERNAME])  # as one user is found under: no spelling counts apart
        return cls(PASSWORD.at(address, name), PASSWORDS_OF_USERNAME.of(name), PASSWORDS_OF_ADDRESS.at(address))
