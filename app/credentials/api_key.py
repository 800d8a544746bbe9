"""API keys: opaque, anonymous, for one API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Connection, Select, and_, bindparam, or_, select, update
from sqlalchemy.orm import Session

from app.access.scopes import Grants
from app.clock import soonest
from app.compat.sqlalchemy import CompiledSelect
from app.credentials.kind import API_KEY, Claims, Issued, RateLimit, Secret, Subject, Terms
from app.crypto.opaque import Prefix, digest, hint, mint, prefix_of
from app.database.statements import batches
from app.database.types import new_id
from app.models import ApiKey as Row_
from app.models import ApiKeyScope, ApiKeySecret, Permission, Resource
from app.settings.addresses import read_network

_in_subset = select(ApiKeyScope.permission_id).where(ApiKeyScope.api_key_id == Row_.id)
_FOUND: Select[*tuple[Any, ...]] = (
    select(
        Row_.id,
        Row_.expires_at,
        Row_.revoked_at,
        Row_.enabled,
        Row_.rate_limit_requests,
        Row_.rate_limit_window_seconds,
        Row_.allowed_ips,
        ApiKeySecret.id.label("secret_id"),
        ApiKeySecret.created_at,
        ApiKeySecret.ends_at,
        Resource.identifier,
        Permission.name,
    )
    .join(ApiKeySecret, ApiKeySecret.api_key_id == Row_.id)
    .join(Resource, Resource.id == Row_.resource_id)
    .outerjoin(
        Permission,
        and_(
            Permission.resource_id == Row_.resource_id,
            Permission.public,
            or_(~Row_.narrowed, Permission.id.in_(_in_subset)),
        ),
    )
)
_BY_DIGEST = CompiledSelect(_FOUND.where(ApiKeySecret.digest == bindparam("digest")))
_BY_SECRET = CompiledSelect(_FOUND.where(and_(Row_.id == bindparam("id"), ApiKeySecret.id == bindparam("secret"))))


class ApiKeys:
    """The kind `api_key`."""

    name: ClassVar[str] = API_KEY

    def recognizes(self, token: str) -> bool:
        """Tell by prefix, length, alphabet and check."""
        return prefix_of(token) is Prefix.API_KEY

    def issue(self, session: Session, subject: Subject, terms: Terms) -> Issued:
        """Store the digest; a key stands for nobody, so `subject.id` is the resource row it opens."""
        token, row_id = mint(Prefix.API_KEY), new_id("key")
        limit = terms.rate_limit
        session.add(
            Row_(
                id=row_id,
                name=terms.name,
                resource_id=subject.id,
                narrowed=terms.narrowed,
                hint=hint(token),
                created_at=terms.at,
                expires_at=terms.expires_at,
                enabled=terms.enabled,
                rate_limit_requests=limit.requests if limit else None,
                rate_limit_window_seconds=limit.window_seconds if limit else None,
                allowed_ips=list(terms.allowed_ips),
                scopes=self._chosen(session, terms.grants),
                secrets=[_secret(token, terms.at)],
            )
        )
        session.flush()
        return Issued(row_id, token)

    def reissue(self, session: Session, row: Row_, at: datetime, overlap_ends_at: datetime) -> Issued:
        """Give the key a further secret; those it has work until `overlap_ends_at`, never longer than before."""
        token = mint(Prefix.API_KEY)
        for old in row.secrets:
            old.ends_at = min(old.ends_at, overlap_ends_at) if old.ends_at else overlap_ends_at
        row.secrets.append(_secret(token, at))
        row.hint = hint(token)
        session.flush()
        return Issued(row.id, token)

    def end_secret(self, row: Row_, token: str, at: datetime) -> None:
        """End one secret of the key; the others work as long as they did."""
        for held in row.secrets:
            if held.digest == digest(token):
                held.ends_at = at

    def verify(self, connection: Connection, token: str, at: datetime) -> Claims | None:
        """Look the digest up and give the public permissions that it may use now."""
        return _claims(_BY_DIGEST.rows(connection, digest=digest(token)), at)

    def verify_secret(self, connection: Connection, secret: Secret, at: datetime) -> Claims | None:
        """Check what an exchanged token was made from: the same key, that secret's overlap not over."""
        return _claims(_BY_SECRET.rows(connection, id=secret.credential_id, secret=secret.version), at)

    def identify(self, connection: Connection | Session, token: str, at: datetime) -> str | None:
        """Name the key that this opens, active or not; a secret whose overlap is over opens none."""
        query = select(ApiKeySecret.api_key_id, ApiKeySecret.ends_at).where(ApiKeySecret.digest == digest(token))
        found = connection.execute(query).one_or_none()
        return None if found is None or _past(found.ends_at, at) else found.api_key_id

    def identify_all(self, connection: Connection | Session, tokens: Sequence[str], at: datetime) -> set[str]:
        """Name the keys that these open, active or not, in one statement a batch."""
        found: set[str] = set()
        for batch in batches([digest(token) for token in tokens]):
            query = select(ApiKeySecret.api_key_id, ApiKeySecret.ends_at).where(ApiKeySecret.digest.in_(batch))
            found |= {row.api_key_id for row in connection.execute(query) if not _past(row.ends_at, at)}
        return found

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """End the key with all its secrets."""
        ended = session.execute(
            update(Row_)
            .where(Row_.id == credential_id, Row_.revoked_at.is_(None))
            .values(revoked_at=at, revoked_reason=reason)
            .returning(Row_.id)
        )
        return ended.first() is not None

    def _chosen(self, session: Session, grants: Grants) -> list[Permission]:
        return list(session.scalars(select(Permission).where(Permission.name.in_(list(grants.scopes)))))


def _secret(token: str, at: datetime) -> ApiKeySecret:
    return ApiKeySecret(id=new_id("ksec"), digest=digest(token), hint=hint(token), created_at=at)


def _claims(rows: Any, at: datetime) -> Claims | None:
    if not rows:
        return None
    row = rows[0]
    if row.revoked_at is not None or not row.enabled or _past(row.expires_at, at) or _past(row.ends_at, at):
        return None
    return Claims(
        kind=API_KEY,
        credential_id=row.id,
        audience=(row.identifier,),
        grants=Grants.of((r.identifier, r.name) for r in rows if r.name is not None),
        issued_at=row.created_at,
        expires_at=row.expires_at,
        secret=Secret(row.id, row.secret_id),
        secret_ends_at=row.ends_at,
        rate_limit=_rate_limit(row.rate_limit_requests, row.rate_limit_window_seconds),
        allowed_networks=tuple(read_network(cidr) for cidr in row.allowed_ips),
        stands_until=soonest(row.expires_at, row.ends_at),
    )


def _rate_limit(requests: int | None, window_seconds: int | None) -> RateLimit | None:
    return RateLimit(requests, window_seconds) if requests and window_seconds else None


def _past(moment: datetime | None, at: datetime) -> bool:
    return moment is not None and moment <= at
