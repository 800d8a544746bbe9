"""Authorization codes: issued after consent, traded once for tokens; a second use ends what came of the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from app.access.scopes import Grants, Scopes
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.delegation.app_tokens import TARGET, AppTokens, IssueAppTokens, Wanted, end_grants, keep_parties
from app.actions.limits.abuse import AUTHORIZATIONS, AbuseLimits
from app.actions.sign_in.clients import KnownClient
from app.clock import Clock
from app.crypto.confirmation import UNBOUND, Confirmation
from app.crypto.opaque import Prefix, digest, mint, prefix_of
from app.database.statements import add_row, delete_expired
from app.database.store import Store
from app.errors import InvalidGrant
from app.models import AppGrant, AuthorizationCode

LIFETIME = timedelta(seconds=60)  # RFC 6749 §4.1.2: short
KEPT = timedelta(hours=1)  # after its end: how long a replay is noticed
REFUSED = "the authorization code is unknown, used or expired, or of another client"
Stored = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class CodeTerms:
    """What a code stands for, and what the token request has to prove: the redirect URI as it was sent, if it was."""

    granted: Grants
    redirect_uri: str | None
    code_challenge: str
    jkt: str | None = None


@dataclass(frozen=True, slots=True)
class KnownCode:
    """A code of a client, used or not."""

    redirect_uri: str | None
    code_challenge: str
    jkt: str | None


class Codes:
    """Issue codes, and redeem each once."""

    def __init__(self, store: Store, issue: IssueAppTokens, limits: AbuseLimits, clock: Clock) -> None:
        self._store = store
        self._issue = issue
        self._limits = limits
        self._clock = clock

    def issue(self, actor: Actor, client: KnownClient, terms: CodeTerms) -> str:
        """Return a new code for the user `actor`; raises TooManyRequests."""
        self._limits.refuse_beyond(AUTHORIZATIONS.of(actor.id))
        code, now = mint(Prefix.AUTHORIZATION_CODE), self._clock()
        with self._store.transaction() as session:
            keep_parties(session, client.row_id, actor.id)
            delete_expired(session, AuthorizationCode, AuthorizationCode.expires_at <= now - KEPT)
            add_row(
                session,
                AuthorizationCode,
                digest=digest(code),
                client_id=client.row_id,
                user_id=actor.id,
                granted=store_grants(terms.granted),
                redirect_uri=terms.redirect_uri,
                code_challenge=terms.code_challenge,
                jkt=terms.jkt,
                created_at=now,
                expires_at=now + LIFETIME,
            )
        return code

    def find(self, client: KnownClient, code: str) -> KnownCode | None:
        """Return a code of this client, used or not: `redeem` ends what came of a used one."""
        if prefix_of(code) is not Prefix.AUTHORIZATION_CODE:
            return None
        row = AuthorizationCode
        query = select(row.redirect_uri, row.code_challenge, row.jkt)
        with self._store.connection() as connection:
            mine = row.digest == digest(code), row.client_id == client.row_id
            found = connection.execute(query.where(*mine)).one_or_none()
        return None if found is None else KnownCode(*found)

    def redeem(
        self,
        actor: Actor,
        client: KnownClient,
        code: str,
        scope: str | None = None,
        resources: Sequence[str] = (),
        confirmation: Confirmation = UNBOUND,
    ) -> AppTokens:
        """Trade a code for the tokens of a new grant; of requests at the same time one wins.

        Raises InvalidGrant, for a used code after its grant was ended (RFC 6749 §4.1.2), InvalidScope, InvalidTarget.
        """
        now, wanted = self._clock(), Wanted(scope, resources, confirmation)
        mine = AuthorizationCode.digest == digest(code), AuthorizationCode.client_id == client.row_id
        user_id = self._refuse_ended(*mine)
        with self._store.transaction() as session:
            keep_parties(session, client.row_id, user_id)
            used = session.execute(
                update(AuthorizationCode)
                .where(*mine, AuthorizationCode.used_at.is_(None), AuthorizationCode.expires_at > now)
                .values(used_at=now)
                .returning(AuthorizationCode.user_id, AuthorizationCode.granted)
                .execution_options(synchronize_session=False)
            ).one_or_none()
            if used is not None:
                tokens = self._issue.begin(session, actor, client, used.user_id, read_grants(used.granted), wanted)
                session.execute(update(AuthorizationCode).where(*mine).values(grant_id=tokens.grant_id))
                return tokens
            replayed = select(AuthorizationCode.grant_id).where(*mine, AuthorizationCode.used_at.is_not(None))
            _end_replayed(session, actor, session.scalar(replayed), now)
        raise InvalidGrant(REFUSED)

    def _refuse_ended(self, *mine: ColumnElement[bool]) -> str:
        """Return whose code it is.

        Raise InvalidGrant, without a lock, for an unknown code, and for one whose replay ended its grant before.
        """
        query = select(AuthorizationCode.user_id, AuthorizationCode.used_at, AppGrant.revoked_at)
        query = query.outerjoin(AppGrant, AppGrant.id == AuthorizationCode.grant_id)
        with self._store.connection() as connection:
            found = connection.execute(query.where(*mine)).one_or_none()
        if found is None or (found.used_at is not None and found.revoked_at is not None):
            raise InvalidGrant(REFUSED)
        return str(found.user_id)


def store_grants(granted: Grants) -> Stored:
    """Return grants as JSON holds them."""
    return {identifier: [*scopes] for identifier, scopes in granted.by_resource.items()}


def read_grants(stored: Stored) -> Grants:
    """Return grants that `store_grants` made."""
    return Grants({identifier: Scopes(frozenset(names)) for identifier, names in stored.items()})


def _end_replayed(session: Session, actor: Actor, grant_id: str | None, now: datetime) -> None:
    if grant_id is not None and end_grants(
        session, now, "its authorization code was used twice", AppGrant.id == grant_id
    ):
        record(session, actor, "grant.replay", TARGET, grant_id, now)
