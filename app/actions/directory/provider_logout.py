"""A logout that an identity provider sends: it ends the sessions that began there (Back-Channel Logout 1.0)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import ColumnElement, delete, or_, select

from app.actions.audit.actor import SERVER, Actor
from app.actions.audit.record import record
from app.actions.limits.abuse import PROVIDER_LOGOUTS_OF_ADDRESS, WAIT, AbuseLimits
from app.actions.sign_in.provider_tokens import LogoutToken, ProviderTokens, unfit
from app.actions.sign_in.providers import Provider
from app.clock import Clock
from app.crypto.opaque import digest
from app.database.statements import delete_expired, insert_once
from app.database.store import Store
from app.errors import SignInRefused, TooManyRequests
from app.models import IdentityLink, SpentChallenge, UserSession

TARGET = "user_session"


class ProviderLogout:
    """Ends the sessions that a logout token names; an address that sends others is limited."""

    def __init__(self, store: Store, tokens: ProviderTokens, limits: AbuseLimits, clock: Clock) -> None:
        self._store = store
        self._tokens = tokens
        self._limits = limits
        self._clock = clock

    def __call__(self, caller: Actor, provider: Provider, token: str) -> int:
        """Return how many sessions ended. Raises SignInRefused, ProviderAway, TooManyRequests."""
        counter = PROVIDER_LOGOUTS_OF_ADDRESS.at(caller.address)
        if wait := self._limits.wait(counter):
            raise TooManyRequests(WAIT, wait)
        try:
            return self._end(caller, provider, self._tokens.read_logout_token(provider, token))
        except SignInRefused:
            self._limits.count(counter)
            raise

    def _end(self, caller: Actor, provider: Provider, logout: LogoutToken) -> int:
        now, by = self._clock(), replace(SERVER, address=caller.address, request_id=caller.request_id)
        with self._store.transaction() as session:
            delete_expired(session, SpentChallenge, SpentChallenge.expires_at <= now)
            spent = digest(f"logout {provider.id} {logout.jti}")
            if not insert_once(session, SpentChallenge, digest=spent, expires_at=logout.expires_at):
                raise unfit(provider)
            named = delete(UserSession).where(*_named(provider, logout)).returning(UserSession.id, UserSession.user_id)
            ended = session.execute(named).all()
            for session_id, user_id in ended:
                details = {"user": user_id, "provider": provider.name}
                record(session, by, f"{TARGET}.end", TARGET, session_id, now, **details)
        return len(ended)


def _named(provider: Provider, logout: LogoutToken) -> Iterator[ColumnElement[bool]]:
    """Return the conditions of the sessions: begun at the provider, of the subject, and of its session."""
    yield UserSession.provider == provider.id
    if logout.subject is not None:
        linked = IdentityLink.issuer == provider.issuer, IdentityLink.subject == logout.subject
        yield UserSession.user_id.in_(select(IdentityLink.user_id).where(*linked))
    if logout.session is not None:
        mine = UserSession.provider_session == logout.session
        yield mine if logout.subject is None else or_(mine, UserSession.provider_session.is_(None))
