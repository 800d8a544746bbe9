"""Exchange a PAT or an API key for a short-lived JWT (RFC 8693)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from sqlalchemy import Connection

from app.access.scopes import Grants
from app.actions.limits.windows import SpendKeyLimit
from app.actions.status.indexes import StatusIndexes
from app.actions.tokens.issue import (
    AccessToken,
    narrow,
    refuse_too_long,
    shortest_lifetime,
)
from app.actions.tokens.usage import TOKEN_ENDPOINT, Usage, origin_of
from app.clock import Clock
from app.credentials.api_key import ApiKeys
from app.credentials.exchanged import ExchangedTokens
from app.credentials.kind import Claims, CredentialKind, Subject, Terms
from app.credentials.pat import PersonalAccessTokens
from app.crypto.confirmation import UNBOUND, Confirmation
from app.database.store import Store
from app.errors import InvalidRequest, InvalidSubject, LatchkeyError, TooManyRequests
from app.settings.addresses import Address

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - RFC 8693 §3
SUBJECT_TOKEN_TYPES: Mapping[str, str | None] = {  # the kind that a type names; None: any that can be exchanged
    "urn:latchkey:token-type:personal_access_token": PersonalAccessTokens.name,
    "urn:logto:token-type:personal_access_token": PersonalAccessTokens.name,
    "urn:latchkey:token-type:api_key": ApiKeys.name,
    ACCESS_TOKEN: None,
}
INVALID_SUBJECT = "the subject_token is not an active personal access token or API key"


class ExchangeToken:
    """The token-exchange grant: possession of the subject token is enough."""

    def __init__(
        self,
        store: Store,
        kinds: Sequence[CredentialKind],
        exchanged: ExchangedTokens,
        indexes: StatusIndexes,
        spend: SpendKeyLimit,
        usage: Usage,
        clock: Clock,
    ) -> None:
        self._store = store
        self._kinds = [kind for kind in kinds if kind.exchangeable]
        self._exchanged = exchanged
        self._indexes = indexes
        self._spend = spend
        self._usage = usage
        self._clock = clock

    def __call__(
        self,
        subject_token: str,
        subject_token_type: str,
        scope: str | None,
        resources: Sequence[str],
        client_id: str | None,
        address: Address | None,
        bind: Callable[[], Confirmation] = lambda: UNBOUND,
    ) -> AccessToken:
        """Sign a JWT for the token's subject; `client_id` is the authenticated client, if any.

        `bind` returns what the JWT is bound to: called only after the token is verified, because it is expensive.
        Raises InvalidRequest and InvalidSubject (RFC 8693 §2.2.2), InvalidScope, InvalidTarget, TooManyRequests.
        """
        subject = self._recognize(subject_token, subject_token_type)
        now = self._clock()
        with self._store.connection() as connection:
            source = subject.verify(connection, subject_token, now)
            if not isinstance(source, Claims) or not source.allows_address(address):
                raise InvalidSubject(INVALID_SUBJECT).about(source)
            try:
                issued = self._issue(connection, Subject(source=source, actor=client_id), now, scope, resources, bind)
            except LatchkeyError as error:
                error.about(source)
                raise
        token, granted = issued
        self._usage.note(source.cut_to(frozenset(granted.audience)) or source, origin_of(TOKEN_ENDPOINT, address))
        return token

    def _issue(
        self,
        connection: Connection,
        owner: Subject,
        now: datetime,
        scope: str | None,
        resources: Sequence[str],
        bind: Callable[[], Confirmation],
    ) -> tuple[AccessToken, Grants]:
        source = cast(Claims, owner.source)
        confirmation = bind()
        granted = narrow(source.grants, source.audience, scope, resources, "the subject_token")
        expires_at = _choose_expiry(source, now, shortest_lifetime(connection, granted.audience))
        terms = Terms(
            at=now,
            expires_at=expires_at,
            audience=granted.audience,
            grants=granted,
            confirmation=confirmation,
        )
        terms = replace(terms, status=self._indexes.assign(self._exchanged, owner, terms, expires_at))
        issued = self._exchanged.issue(connection, owner, terms)
        refuse_too_long(issued.token)
        if (window := self._spend(source)) is not None and not window.admitted:
            raise TooManyRequests("the key's rate limit is spent", window.reset_seconds)
        expires_in = int(expires_at.timestamp()) - int(now.timestamp())
        return AccessToken(issued.token, expires_in, granted.scopes, issued.credential_id), granted

    def _recognize(self, token: str, token_type: str) -> CredentialKind:
        if token_type not in SUBJECT_TOKEN_TYPES:
            raise InvalidRequest("the subject_token_type is not supported")
        wanted = SUBJECT_TOKEN_TYPES[token_type]
        kind = next((kind for kind in self._kinds if kind.recognizes(token)), None)
        if kind is None or wanted not in (None, kind.name):
            raise InvalidSubject(INVALID_SUBJECT)
        return kind


def _choose_expiry(source: Claims, now: datetime, lifetime: int) -> datetime:
    """Return when the JWT ends, in whole seconds: never after the token, nor after the overlap of its secret."""
    limits = (now + timedelta(seconds=lifetime), source.expires_at, source.secret_ends_at)
    ends = min(int(limit.timestamp()) for limit in limits if limit is not None)
    if ends <= int(now.timestamp()):
        raise InvalidSubject(INVALID_SUBJECT)
    return datetime.fromtimestamp(ends, UTC)
