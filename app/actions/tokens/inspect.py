"""Tell an operator which credential a secret is, whose, and why it is not active. The secret is never kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.actions.tokens.verify import Verify
from app.clock import Clock
from app.credentials.exchanged import ExchangedTokens
from app.credentials.kind import API_KEY, CLIENT_CREDENTIALS, PERSONAL_ACCESS_TOKEN
from app.credentials.m2m import MachineTokens
from app.crypto.access_token import kind_of
from app.crypto.opaque import Prefix, digest, prefix_of
from app.crypto.pasted import bare
from app.database.store import Store
from app.database.types import EPOCH
from app.models import ApiKey, ApiKeySecret, Client, ClientSecret, PersonalAccessToken, RevokedToken, User

CLIENT_SECRET = "client_secret"  # noqa: S105 - the name of a kind


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of a presented secret. `reason` says why it is not active; all is None for a stranger's."""

    status: str  # active, expired, revoked, disabled, superseded, unknown or malformed
    reason: str | None = None
    credential_type: str | None = None
    id: str | None = None
    name: str | None = None
    hint: str | None = None
    owner_type: str | None = None
    owner_id: str | None = None
    owner_name: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    exchanged: bool = False


class Inspect:
    """Looks a secret up by its digest, dead or alive."""

    def __init__(self, store: Store, verify: Verify, m2m: MachineTokens, exchanged: ExchangedTokens, clock: Clock):
        self._store = store
        self._verify = verify
        self._signed = (m2m, exchanged)
        self._clock = clock

    def __call__(self, credential: str) -> Inspection:
        """Give what is known; a string that is no credential of ours is `malformed`, one never issued `unknown`."""
        look_ups: dict[Prefix | None, Callable[[Session, str, datetime], Inspection | None]] = {
            Prefix.PAT: _pat,
            Prefix.API_KEY: _api_key,
            Prefix.CLIENT_SECRET: _client_secret,
            None: self._jwt,
        }
        credential = bare(credential)
        prefix = prefix_of(credential)
        if prefix is None and not any(kind.recognizes(credential) for kind in self._signed):
            return Inspection("malformed", "not in a format that this server issues")
        with self._store.reading() as session:
            found = look_ups[prefix](session, credential, self._clock())
        return found or Inspection("unknown", "never issued by this server, or replaced since")

    def _jwt(self, session: Session, credential: str, now: datetime) -> Inspection | None:
        signed = next(kind for kind in self._signed if kind.recognizes(credential))
        holder = signed.holder(session, credential, EPOCH)  # dead or alive
        if holder is None:
            return Inspection("unknown", "not signed by this server", kind_of(credential))
        claims = self._verify(credential)
        denied = session.get(RevokedToken, holder.credential_id)
        expired = signed.holder(session, credential, now) is None
        status, reason = _token_state(denied, active=claims is not None, expired=expired)
        return Inspection(
            status,
            reason,
            credential_type=kind_of(credential),
            id=holder.credential_id,
            owner_type="client" if holder.client_id else None,
            owner_id=holder.client_id,
            created_at=claims.issued_at if claims else None,
            expires_at=claims.expires_at if claims else None,
            revoked_at=denied.revoked_at if denied else None,
            exchanged=kind_of(credential) != CLIENT_CREDENTIALS,
        )


def _token_state(denied: RevokedToken | None, *, active: bool, expired: bool) -> tuple[str, str | None]:
    if active:
        return "active", None
    if denied:
        return "revoked", "revoked"
    return ("expired", "expired") if expired else ("disabled", "its owner or source is disabled, revoked or gone")


def _pat(session: Session, credential: str, now: datetime) -> Inspection | None:
    query = select(PersonalAccessToken, User).join(User).where(PersonalAccessToken.digest == digest(credential))
    found = session.execute(query).one_or_none()
    if found is None:
        return None
    row, user = found
    status, reason = _state(row.revoked_at, row.revoked_reason, row.expires_at, now, enabled=user.enabled)
    return Inspection(
        status,
        reason,
        credential_type=PERSONAL_ACCESS_TOKEN,
        id=row.id,
        name=row.name,
        hint=row.hint,
        owner_type="user",
        owner_id=user.id,
        owner_name=user.username,
        created_at=row.issued_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def _api_key(session: Session, credential: str, now: datetime) -> Inspection | None:
    query = select(ApiKey, ApiKeySecret).join(ApiKeySecret).where(ApiKeySecret.digest == digest(credential))
    found = session.execute(query).one_or_none()
    if found is None:
        return None
    row, secret = found
    status, reason = _state(row.revoked_at, row.revoked_reason, row.expires_at, now, enabled=row.enabled)
    if status == "active" and secret.ends_at is not None and secret.ends_at <= now:
        status, reason = "superseded", "rotated, and the overlap is over"
    return Inspection(
        status,
        reason,
        credential_type=API_KEY,
        id=row.id,
        name=row.name,
        hint=secret.hint,
        created_at=secret.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def _client_secret(session: Session, credential: str, now: datetime) -> Inspection | None:
    query = select(ClientSecret, Client).join(Client).where(ClientSecret.digest == digest(credential))
    found = session.execute(query).one_or_none()
    if found is None:
        return None
    row, client = found
    status, reason = _state(row.revoked_at, row.revoked_reason, row.expires_at, now, enabled=client.enabled)
    return Inspection(
        status,
        reason,
        credential_type=CLIENT_SECRET,
        id=row.id,
        name=row.name,
        hint=row.hint,
        owner_type="client",
        owner_id=client.client_id,
        owner_name=client.name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def _state(
    revoked_at: datetime | None, why: str | None, expires_at: datetime | None, now: datetime, *, enabled: bool
) -> tuple[str, str | None]:
    if revoked_at is not None:
        return "revoked", why or "revoked"
    if expires_at is not None and expires_at <= now:
        return "expired", "expired"
    return ("active", None) if enabled else ("disabled", "it, or its owner, is disabled")
