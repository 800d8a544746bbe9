"""Refresh: a refresh token is replaced each time, and the use of a replaced one ends the grant (RFC 9700 §4.14.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.delegation.app_tokens import GRACE, AppTokens, IssueAppTokens, Wanted, keep_parties, load_agreed
from app.actions.sign_in.clients import KnownClient
from app.actions.tokens.reuse import Reuse
from app.clock import Clock
from app.compat.sqlalchemy import CompiledSelect
from app.credentials.reasons import Reason
from app.crypto.confirmation import UNBOUND, Confirmation
from app.crypto.opaque import Prefix, digest, prefix_of
from app.database.locks import for_update
from app.database.statements import SWEPT, delete_expired
from app.database.store import Store
from app.errors import InvalidGrant, InvalidProof
from app.models import AppGrant, RefreshToken, User

MOST_TOKENS = 500  # of one grant, replaced ones included
_SEEN = CompiledSelect(
    select(RefreshToken.replaced_at, AppGrant.client_id, AppGrant.user_id, AppGrant.revoked_at)
    .join(AppGrant, AppGrant.id == RefreshToken.grant_id)
    .where(RefreshToken.digest == bindparam("digest"))
)
REFUSED = "the refresh token is unknown, replaced, expired or revoked, or of another client"


class Refresh:
    """The refresh-token grant (RFC 6749 §6)."""

    def __init__(self, store: Store, issue: IssueAppTokens, reuse: Reuse, clock: Clock) -> None:
        self._store = store
        self._issue = issue
        self._reuse = reuse
        self._clock = clock

    def __call__(
        self,
        actor: Actor,
        client: KnownClient,
        token: str,
        scope: str | None = None,
        resources: Sequence[str] = (),
        confirmation: Confirmation = UNBOUND,
    ) -> AppTokens:
        """Return new tokens of the same grant; a narrower scope or resource holds for the access token only.

        Raises InvalidGrant, for a replaced token after its grant was ended, InvalidScope, InvalidTarget and
        InvalidProof (a public client's refresh token is bound to its DPoP key, RFC 9449 §5).
        """
        recognized = prefix_of(token) is Prefix.REFRESH_TOKEN
        seen = self._look_up(token) if recognized else None
        if seen is None and recognized:
            raise InvalidGrant(REFUSED).about(Reason.UNKNOWN)
        if seen is not None and self._is_usable(client, seen):
            wanted = Wanted(scope, resources, confirmation)
            if tokens := self._refresh(client, seen.user_id, token, wanted):
                return tokens
        raise InvalidGrant(REFUSED).about(self._reuse.look_up(actor, token, client_id=client.client_id))

    def _refresh(self, client: KnownClient, user_id: str, token: str, wanted: Wanted) -> AppTokens | None:
        """Return new tokens; None for a replaced token after its grace. Raises InvalidGrant for one that has ended."""
        now = self._clock()
        with self._store.transaction() as session:
            keep_parties(session, client.row_id, user_id)
            found = _load(session, client, token)
            if found is None or not found.is_live(now):
                raise InvalidGrant(REFUSED)
            return None if found.is_replaced(now) else self._rotate(session, client, found, wanted)

    def _look_up(self, token: str) -> Any:
        """Return the row of a token; None for one that is unknown. No lock: what is refused waits for no writer."""
        with self._store.connection() as connection:
            return next(iter(_SEEN.rows(connection, digest=digest(token))), None)

    def _is_usable(self, client: KnownClient, seen: Any) -> bool:
        """Return whether a token is of this client, its grant goes on, and its replacement is not too long ago."""
        mine = seen.client_id == client.row_id and seen.revoked_at is None
        return mine and not _is_over(seen.replaced_at, self._clock())

    def _rotate(self, session: Session, client: KnownClient, found: _Found, wanted: Wanted) -> AppTokens:
        now, grant = self._clock(), found.grant
        if grant.jkt is not None and grant.jkt != wanted.confirmation.jkt:
            raise InvalidProof("the refresh token is bound to another DPoP key: send a proof of that key")
        found.token.replaced_at = found.token.replaced_at or now
        grant.last_used_at = now
        delete_expired(session, RefreshToken, RefreshToken.expires_at <= now)
        _delete_oldest(session, grant.id)
        return self._issue.again(session, client, grant, load_agreed(session, grant.id), wanted)


def _delete_oldest(session: Session, grant_id: str) -> None:
    """Make room for one more: such an old token of an app that refreshes without end is unknown from then on."""
    token = RefreshToken
    of_grant = select(token.digest).where(token.grant_id == grant_id)
    oldest = of_grant.order_by(token.created_at.desc(), token.digest).offset(MOST_TOKENS - 1).limit(SWEPT)
    if beyond := session.scalars(oldest).all():
        session.execute(delete(token).where(token.digest.in_(beyond)))


@dataclass(frozen=True, slots=True)
class _Found:
    """A refresh token, its grant, and whether the user is enabled."""

    token: RefreshToken
    grant: AppGrant
    enabled: bool

    def is_live(self, now: datetime) -> bool:
        ended = self.grant.revoked_at is not None or self.grant.expires_at <= now or self.token.expires_at <= now
        return self.enabled and not ended

    def is_replaced(self, now: datetime) -> bool:
        """Return whether it was replaced, and the time for a lost answer is over."""
        return _is_over(self.token.replaced_at, now)


def _is_over(replaced_at: datetime | None, now: datetime) -> bool:
    return replaced_at is not None and now >= replaced_at + GRACE


def _load(session: Session, client: KnownClient, token: str) -> _Found | None:
    query: Any = (
        select(RefreshToken, AppGrant, User.enabled)
        .join(AppGrant, AppGrant.id == RefreshToken.grant_id)
        .join(User, User.id == AppGrant.user_id)
        .where(RefreshToken.digest == digest(token), AppGrant.client_id == client.row_id)
    )
    row = session.execute(for_update(query, RefreshToken)).one_or_none()
    return None if row is None else _Found(*row)
