"""Second factors of users: add, use, remove and reset them, and decide whether a user must have one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.access.rbac import grants_of_user
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import keep_administrators
from app.actions.directory.escalation import refuse_delegates, refuse_exceeding
from app.actions.limits.abuse import AbuseLimits
from app.actions.outbox.notices import Notices
from app.actions.sign_in.factors import CODE, PASSKEY, RECOVERY, FactorPolicy, has_factor
from app.actions.sign_in.failed_authentications import FailedAuthentications
from app.actions.sign_in.guesses import Guesses
from app.actions.sign_in.one_time_codes import OneTimeCodes, delete_one_time_codes
from app.actions.sign_in.passkeys import Ceremony, PasskeyAnswer, Passkeys, UnusablePasskey, passkeys_of
from app.actions.sign_in.recovery_codes import (
    count_recovery_codes,
    delete_recovery_codes,
    make_recovery_codes,
    spend_recovery_code,
)
from app.actions.sign_in.sessions import end_sessions, note_method
from app.clock import Clock
from app.database.store import Store
from app.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from app.models import OneTimeCode, Passkey, User
from app.settings.settings import Settings

TARGET = "user"
NAMES = {PASSKEY: "passkey", CODE: "authenticator app"}  # in the audit trail
LAST = "this is your last second factor, and your account must have one: add another one first"
NONE_LEFT = "this user has no second factor"
OWN = "remove your own second factors on your account's page"
NO_FACTOR = "recovery codes replace a second factor: set one up first"
WRONG_CODE = "is wrong, or has expired: enter the code that the app shows now"


@dataclass(frozen=True, slots=True)
class PasskeyView:
    """A passkey as it is shown."""

    id: str
    name: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class FactorsView:
    """The second factors of a user; `app_since` is None without an authenticator app."""

    passkeys: Sequence[PasskeyView]
    app_since: datetime | None
    app_used_at: datetime | None
    recovery_codes: int

    def __bool__(self) -> bool:
        """Return whether there is one; recovery codes alone are none."""
        return bool(self.passkeys) or self.app_since is not None


class SecondFactors:
    """What users do with their second factors, and operators for users who lost theirs."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        limits: AbuseLimits,
        failures: FailedAuthentications,
        notices: Notices,
        clock: Clock,
    ) -> None:
        self.passkeys = Passkeys(settings.issuer)
        self.one_time_codes = OneTimeCodes(settings.sealing_keys)
        self._store = store
        self._issuer = settings.issuer
        self._management = settings.management_identifier
        self._policy = FactorPolicy(settings.require_second_factor)
        self._guesses = Guesses(limits, failures)
        self._notices = notices
        self._clock = clock

    def of_user(self, user_id: str) -> FactorsView:
        """Return the second factors of a user."""
        with self._store.reading() as session:
            passkeys = [_view(row) for row in passkeys_of(session, user_id)]
            app = session.get(OneTimeCode, user_id)
            since, used_at = (app.created_at, app.last_used_at) if app else (None, None)
            return FactorsView(passkeys, since, used_at, count_recovery_codes(session, user_id))

    def has(self, user_id: str) -> bool:
        """Return whether a user has a second factor."""
        with self._store.reading() as session:
            return bool(session.scalar(select(has_factor(User.id)).where(User.id == user_id)))

    def find_user(self, user_id: str, address: str | None, request_id: str | None) -> Actor:
        """Return an enabled user as an actor with the scopes that their roles grant now. Raises Unauthenticated."""
        with self._store.reading() as session:
            name = session.scalar(select(User.username).where(User.id == user_id, User.enabled))
            if name is None:
                raise Unauthenticated("there is no such user")
            management = grants_of_user(session, user_id).on([self._management]).scopes
        return Actor("user", user_id, name, management=management, address=address, request_id=request_id)

    def refuse_password_alone(self, actor: Actor) -> None:
        """Raise Unauthenticated when a user, whose password was right, has or must have a second factor."""
        with self._store.reading() as session:
            if session.scalar(select(has_factor(User.id)).where(User.id == actor.id)):
                page = f"{self._issuer}/account/tokens"
                raise Unauthenticated(f"this account has a second factor: sign in with a browser at {page}")
            if self._policy.requires(session, manages=actor.manages):
                page = f"{self._issuer}/account/second-factor"
                raise Unauthenticated(f"this account needs a second factor first: set one up at {page}")

    def ask_for_passkey(self, user_id: str | None = None) -> Ceremony:
        """Return what to ask a browser for: a passkey of a user, or of anybody."""
        with self._store.reading() as session:
            return self.passkeys.ask(session, user_id)

    def ask_for_new_passkey(self, actor: Actor, display_name: str) -> Ceremony:
        """Return what to ask a browser for when a user adds a passkey. Raises Conflict."""
        with self._store.reading() as session:
            return self.passkeys.ask_for_new(session, actor.id, actor.name, display_name)

    def use_passkey(self, who: Actor, answer: PasskeyAnswer) -> str:
        """Return the id of the user whose passkey answered; a `who` of type user must be that one.

        Raise Unauthenticated for every other answer.
        """
        wanted = who.id if who.type == TARGET else None
        try:
            with self._store.transaction() as session:
                return self.passkeys.use(session, answer, wanted, self._clock())
        except UnusablePasskey as error:
            if owner := wanted or error.user_id:  # an unknown passkey says nothing of an account
                self._guesses.fail_passkey(who, owner, error.reason)
            raise Unauthenticated("the passkey is not accepted") from None

    def use_code(self, who: Actor, code: str) -> None:
        """Check a code of the user's app, once. Raises Unauthenticated, TooManyRequests."""

        def is_right() -> bool:
            with self._store.transaction() as session:
                return self.one_time_codes.spend(session, who.id, code, self._clock())

        self._guesses.check(who, CODE, is_right)

    def use_recovery_code(self, who: Actor, code: str) -> int:
        """Spend a recovery code; return how many are left. Raises Unauthenticated, TooManyRequests."""

        def is_right() -> bool:
            now = self._clock()
            with self._store.transaction() as session:
                if not spend_recovery_code(session, who.id, code, now):
                    return False
                left = count_recovery_codes(session, who.id)
                record(session, who, f"{TARGET}.recovery_codes.use", TARGET, who.id, now, left=left)
                self._notices.notify_recovery_code(session, who.id, who.name, who.address, now)
            return True

        self._guesses.check(who, RECOVERY, is_right)
        return self.of_user(who.id).recovery_codes

    def add_passkey(self, actor: Actor, name: str, answer: PasskeyAnswer, but_session: str) -> Sequence[str]:
        """Add a passkey; return the recovery codes that the first factor comes with. Raises Invalid, Conflict."""
        with self._adding(actor, PASSKEY, but_session) as (session, codes):
            self.passkeys.add(session, actor.id, name, answer, self._clock())
        return codes

    def add_app(self, actor: Actor, sealed: str, code: str, but_session: str) -> Sequence[str]:
        """Add an authenticator app in place of any other; return as `add_passkey` does. Raises Invalid."""
        with self._adding(actor, CODE, but_session) as (session, codes):
            if not self.one_time_codes.confirm(session, actor.id, sealed, code, self._clock()):
                raise Invalid.field("code", WRONG_CODE)
        return codes

    @contextmanager
    def _adding(self, actor: Actor, method: str, but_session: str) -> Iterator[tuple[Session, list[str]]]:
        """Record what is added inside; the first factor ends the other sessions, which began without it."""
        refuse_delegates(actor)
        now, codes = self._clock(), list[str]()
        with self._store.transaction() as session:
            _lock(session, actor.id)
            is_first = not session.scalar(select(has_factor(User.id)).where(User.id == actor.id))
            yield session, codes
            if is_first:
                codes.extend(make_recovery_codes(session, actor.id, now))
                end_sessions(session, actor.id, but_session)
            note_method(session, actor.id, but_session, method, now)
            record(session, actor, f"{TARGET}.factor.add", TARGET, actor.id, now, factor=NAMES[method])
            self._notices.notify_factors(session, actor.id, actor.name, actor.address, now)

    def make_recovery_codes(self, actor: Actor) -> Sequence[str]:
        """Return ten new codes, which replace the earlier ones. Raises Conflict."""
        refuse_delegates(actor)
        now = self._clock()
        with self._store.transaction() as session:
            _lock(session, actor.id)
            if not session.scalar(select(has_factor(User.id)).where(User.id == actor.id)):
                raise Conflict(NO_FACTOR)
            codes = make_recovery_codes(session, actor.id, now)
            record(session, actor, f"{TARGET}.recovery_codes.create", TARGET, actor.id, now)
            self._notices.notify_factors(session, actor.id, actor.name, actor.address, now)
        return codes

    def remove_passkey(self, actor: Actor, passkey_id: str) -> None:
        """Remove one of their own passkeys. Raises NotFound, Conflict (the last factor of one who must have one)."""
        with self._removing(actor, PASSKEY) as session:
            mine = delete(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == actor.id)
            if session.execute(mine.returning(Passkey.id)).first() is None:
                raise NotFound("there is no such passkey")

    def remove_app(self, actor: Actor) -> None:
        """Remove the user's own authenticator app. Raises as `remove_passkey` does."""
        with self._removing(actor, CODE) as session:
            if not delete_one_time_codes(session, actor.id):
                raise NotFound("there is no authenticator app")

    @contextmanager
    def _removing(self, actor: Actor, method: str) -> Iterator[Session]:
        """Record what is removed inside, unless nothing is left to a user who must have a factor."""
        refuse_delegates(actor)
        now = self._clock()
        with self._store.transaction() as session, keep_administrators(session, actor, now):
            _lock(session, actor.id)
            required = self._policy.requires(session, manages=actor.manages)
            yield session
            if not session.scalar(select(has_factor(User.id)).where(User.id == actor.id)):
                if required:
                    raise Conflict(LAST)
                delete_recovery_codes(session, actor.id)
            record(session, actor, f"{TARGET}.factor.remove", TARGET, actor.id, now, factor=NAMES[method])
            self._notices.notify_factors(session, actor.id, actor.name, actor.address, now)

    def reset(self, actor: Actor, user_id: str) -> None:
        """Remove every second factor of a user who lost theirs, and end their sign-ins.

        Raises NotFound, Forbidden (a delegate, oneself, a user who carries more than the caller).
        """
        refuse_delegates(actor)
        if actor.type == TARGET and actor.id == user_id:
            raise Forbidden(OWN)
        now = self._clock()
        with self._store.transaction() as session, keep_administrators(session, actor, now):
            name = _lock(session, user_id)
            refuse_exceeding(actor, grants_of_user(session, user_id), self._management)
            if not session.scalar(select(has_factor(User.id)).where(User.id == user_id)):
                raise NotFound(NONE_LEFT)
            session.execute(delete(Passkey).where(Passkey.user_id == user_id))
            delete_one_time_codes(session, user_id)
            delete_recovery_codes(session, user_id)
            end_sessions(session, user_id)
            record(session, actor, f"{TARGET}.factor.reset", TARGET, user_id, now)
            self._notices.notify_factors(session, user_id, name, None, now)


def _lock(session: Session, user_id: str) -> str:
    """Lock a user against other changes of their factors; return the username. Raises NotFound."""
    name = session.scalar(select(User.username).where(User.id == user_id).with_for_update())
    if name is None:
        raise NotFound("there is no such user")
    return name


def _view(row: Passkey) -> PasskeyView:
    return PasskeyView(row.id, row.name, row.created_at, row.last_used_at)
