"""API keys: opaque, anonymous, for one API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Connection, Select, and_, bindparam, exists, func, or_, select, update
from sqlalchemy.orm import Session

from app.access.holders import Holder, HolderPage, is_live, read_page
from app.access.listing import Granted, Listing, no_text
from app.access.scopes import Grants
from app.clock import earliest
from app.compat.sqlalchemy import CompiledSelect
from app.credentials.kind import (
    ENDING_SOON,
    LONG_UNUSED,
    Claims,
    Description,
    Identity,
    Issued,
    Labels,
    LiveCount,
    RateLimit,
    Secret,
    Subject,
    Terms,
    Verdict,
    state_of,
)
from app.credentials.reasons import Reason
from app.crypto.opaque import Prefix, digest, hint, mint, prefix_of
from app.database.ordering import contains_text
from app.database.statements import batches
from app.database.types import Base, new_id
from app.models import ApiKey, ApiKeyScope, ApiKeySecret, Permission, Resource
from app.settings.addresses import read_network

_in_subset = select(ApiKeyScope.permission_id).where(ApiKeyScope.api_key_id == ApiKey.id)
_VERIFIED: Select[*tuple[Any, ...]] = (
    select(
        ApiKey.id,
        ApiKey.expires_at,
        ApiKey.revoked_at,
        ApiKey.enabled,
        ApiKey.rate_limit_requests,
        ApiKey.rate_limit_window_seconds,
        ApiKey.allowed_ips,
        ApiKeySecret.id.label("secret_id"),
        ApiKeySecret.created_at,
        ApiKeySecret.ends_at,
        Resource.identifier,
        Permission.name,
    )
    .join(ApiKeySecret, ApiKeySecret.api_key_id == ApiKey.id)
    .join(Resource, Resource.id == ApiKey.resource_id)
    .outerjoin(
        Permission,
        and_(
            Permission.resource_id == ApiKey.resource_id,
            Permission.public,
            or_(~ApiKey.narrowed, Permission.id.in_(_in_subset)),
        ),
    )
)
_BY_DIGEST = CompiledSelect(_VERIFIED.where(ApiKeySecret.digest == bindparam("digest")))
_BY_SECRET = CompiledSelect(_VERIFIED.where(and_(ApiKey.id == bindparam("id"), ApiKeySecret.id == bindparam("secret"))))


class ApiKeys:
    """The kind `api_key`."""

    name: ClassVar[str] = Prefix.API_KEY.kind
    target: ClassVar[str] = name
    labels: ClassVar[Labels] = Labels("API key", "API keys", "api_keys")
    exchangeable: ClassVar[bool] = True
    counted_as: ClassVar[str] = name
    used_rows: ClassVar[type[Base] | None] = ApiKey

    def recognizes(self, token: str) -> bool:
        """Check prefix, length, alphabet and check characters."""
        return prefix_of(token) is Prefix.API_KEY

    def issue(self, session: Session, subject: Subject, terms: Terms) -> Issued:
        """Store the digest; a key has no owner: `subject.id` is the row id of its resource."""
        token, row_id = mint(Prefix.API_KEY), new_id("key")
        limit = terms.rate_limit
        session.add(
            ApiKey(
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
                scopes=_chosen_permissions(session, terms.grants),
                secrets=[_new_secret(token, terms.at)],
            )
        )
        session.flush()
        return Issued(row_id, token)

    def verify(self, connection: Connection, token: str, at: datetime) -> Verdict:
        """Look the digest up and return the public permissions that the key may use now."""
        rows = _BY_DIGEST.rows(connection, digest=digest(token))
        return _read_claims(rows, at) if rows else Reason.UNKNOWN

    def verify_secret(self, connection: Connection, secret: Secret, at: datetime) -> Claims | None:
        """Verify the key that an exchanged token was made from, by its secret, whose overlap must not be over."""
        return _read_claims(_BY_SECRET.rows(connection, id=secret.credential_id, secret=secret.version), at)

    def identify(self, connection: Connection | Session, tokens: Sequence[str], at: datetime) -> set[Identity]:
        """Return the keys with these secrets; a secret whose overlap is over does not count."""
        found: set[Identity] = set()
        for batch in batches([digest(token) for token in tokens]):
            query = select(ApiKeySecret.api_key_id, ApiKeySecret.ends_at).where(ApiKeySecret.digest.in_(batch))
            found |= {Identity(row.api_key_id) for row in connection.execute(query) if not _is_past(row.ends_at, at)}
        return found

    def describe(self, session: Session, token: str, at: datetime) -> Description | None:
        """Return the key with this secret; `created_at` and `hint` are the secret's."""
        query = select(ApiKey, ApiKeySecret).join(ApiKeySecret).where(ApiKeySecret.digest == digest(token))
        found = session.execute(query).one_or_none()
        return None if found is None else _describe_row(*found, at)

    def find(self, session: Session, credential_id: str, at: datetime) -> Description | None:
        """Return the key with this id, with the key's own `created_at` and `hint`."""
        row = session.get(ApiKey, credential_id)
        return None if row is None else _describe_row(row, None, at)

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """End the key with all its secrets."""
        ended = session.execute(
            update(ApiKey)
            .where(ApiKey.id == credential_id, ApiKey.revoked_at.is_(None))
            .values(revoked_at=at, revoked_reason=reason)
            .returning(ApiKey.id)
            .execution_options(synchronize_session=False)  # or each statement compares all loaded rows
        )
        return ended.first() is not None

    def holders(
        self, session: Session, permission: Permission, at: datetime, limit: int, after: str | None
    ) -> HolderPage:
        """Read the live keys that carry a public permission: every key of its API that is not narrowed to others."""
        if not permission.public:
            return [], None
        chosen = exists().where(ApiKeyScope.api_key_id == ApiKey.id, ApiKeyScope.permission_id == permission.id)
        query = select(ApiKey.id, ApiKey.name, ApiKey.hint, ApiKey.narrowed).where(
            ApiKey.resource_id == permission.resource_id,
            ApiKey.enabled,
            *is_live(ApiKey, at),
            or_(~ApiKey.narrowed, chosen),
        )
        rows, cursor = read_page(session, query, ApiKey.id, limit, after)
        return [Holder(row.id, row.name, row.hint, narrowed=row.narrowed) for row in rows], cursor

    def live_count(self, session: Session, at: datetime) -> LiveCount | None:
        """Count the live, enabled keys whose resource exists."""
        row, count = ApiKey, func.count()
        ending = count.filter(row.expires_at <= at + ENDING_SOON)
        unused = count.filter(func.coalesce(row.last_used_at, row.created_at) <= at - LONG_UNUSED)
        query = select(count, ending, unused).select_from(row)
        query = query.where(*is_live(row, at), row.enabled, row.resource_id.is_not(None))
        return LiveCount(*session.execute(query).one())

    def listing(self, at: datetime) -> Listing:
        """List the keys, with the public scopes that they carry now; one whose API was deleted counts as disabled."""
        row = ApiKey
        return Listing(
            one=self.labels.one,
            rows=row,
            id=row.id,
            name=row.name,
            hint=row.hint,
            created_at=row.created_at,
            enabled=and_(row.enabled, row.resource_id.is_not(None)),
            matches=lambda text: contains_text(text, row.name, row.hint),
            carries=lambda permission: row.id.in_(_carrying(permission)),
            reaches=lambda resource: row.resource_id == resource,
            grants=_public_scopes,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            revoked_reason=row.revoked_reason,
            last_used_at=row.last_used_at,
            owner_row_id=no_text(),
            owner_id=no_text(),
            owner_name=no_text(),
        )

    def reissue(self, session: Session, row: ApiKey, at: datetime, overlap_ends_at: datetime) -> Issued:
        """Add a secret to the key; its earlier secrets end at `overlap_ends_at`, unless they already end sooner."""
        token = mint(Prefix.API_KEY)
        for old in row.secrets:
            old.ends_at = min(old.ends_at, overlap_ends_at) if old.ends_at else overlap_ends_at
        row.secrets.append(_new_secret(token, at))
        row.hint = hint(token)
        session.flush()
        return Issued(row.id, token)

    def end_secret(self, row: ApiKey, token: str, at: datetime) -> None:
        """End one secret of the key; the ends of the others do not change."""
        for secret in row.secrets:
            if secret.digest == digest(token):
                secret.ends_at = at


def _carrying(permission_id: str) -> Select[str]:
    """Select the keys that carry a public permission: all of its API but those narrowed to others."""
    chosen = exists().where(ApiKeyScope.api_key_id == ApiKey.id, ApiKeyScope.permission_id == permission_id)
    keys = select(ApiKey.id).join(Permission, Permission.resource_id == ApiKey.resource_id)
    return keys.where(Permission.id == permission_id, Permission.public, or_(~ApiKey.narrowed, chosen))


def _public_scopes(session: Session, key_ids: Sequence[str]) -> Iterable[Granted]:
    query = select(ApiKey.id, Resource.identifier, Permission.name)
    query = query.join(Resource, Resource.id == ApiKey.resource_id)
    query = query.join(Permission, and_(Permission.resource_id == Resource.id, Permission.public))
    chosen = exists().where(ApiKeyScope.api_key_id == ApiKey.id, ApiKeyScope.permission_id == Permission.id)
    query = query.where(ApiKey.id.in_(key_ids), or_(~ApiKey.narrowed, chosen))
    return ((row[0], row[1], row[2]) for row in session.execute(query))


def _read_claims(rows: Sequence[Any], at: datetime) -> Claims | None:
    if not rows:
        return None
    row = rows[0]
    if row.revoked_at is not None or not row.enabled or _is_past(row.expires_at, at) or _is_past(row.ends_at, at):
        return None
    return Claims(
        kind=ApiKeys.name,
        credential_id=row.id,
        audience=(row.identifier,),
        grants=Grants.of((r.identifier, r.name) for r in rows if r.name is not None),
        issued_at=row.created_at,
        expires_at=row.expires_at,
        secret=Secret(row.id, row.secret_id),
        secret_ends_at=row.ends_at,
        rate_limit=_read_rate_limit(row.rate_limit_requests, row.rate_limit_window_seconds),
        allowed_networks=tuple(read_network(cidr) for cidr in row.allowed_ips),
        valid_until=earliest(row.expires_at, row.ends_at),
        counted=(ApiKeys.counted_as, row.id),
    )


def _describe_row(row: ApiKey, secret: ApiKeySecret | None, at: datetime) -> Description:
    status, reason = state_of(row.revoked_at, row.revoked_reason, row.expires_at, at, enabled=row.enabled)
    superseded_at = None
    if status == "active" and secret is not None and _is_past(secret.ends_at, at):
        status, reason, superseded_at = "superseded", "rotated, and the overlap is over", secret.ends_at
    shown = secret or row
    return Description(
        status,
        reason,
        credential_type=ApiKeys.name,
        id=row.id,
        name=row.name,
        hint=shown.hint,
        created_at=shown.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        target=ApiKeys.target,
        last_used_at=row.last_used_at,
        superseded_at=superseded_at,
        counted=(ApiKeys.counted_as, row.id),
    )


def _chosen_permissions(session: Session, grants: Grants) -> list[Permission]:
    return list(session.scalars(select(Permission).where(Permission.name.in_(list(grants.scopes)))))


def _new_secret(token: str, at: datetime) -> ApiKeySecret:
    return ApiKeySecret(id=new_id("ksec"), digest=digest(token), hint=hint(token), created_at=at)


def _read_rate_limit(requests: int | None, window_seconds: int | None) -> RateLimit | None:
    return RateLimit(requests, window_seconds) if requests and window_seconds else None


def _is_past(moment: datetime | None, at: datetime) -> bool:
    return moment is not None and moment <= at
