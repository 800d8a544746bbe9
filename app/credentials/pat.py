"""Personal access tokens: opaque, a user's delegation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Connection, Row, Select, String, and_, bindparam, exists, insert, select, update
from sqlalchemy.orm import Session

from app.access.scopes import Grants
from app.compat.sqlalchemy import CompiledInsert, CompiledSelect
from app.credentials.kind import PERSONAL_ACCESS_TOKEN, Claims, Issued, Secret, Subject, Terms
from app.crypto.opaque import Prefix, digest, hint, mint, prefix_of
from app.database.statements import add_row, batches
from app.database.types import new_id
from app.errors import Conflict
from app.models import Permission, Resource, RolePermission, User, UserRole
from app.models import PersonalAccessToken as Row_
from app.models import PersonalAccessTokenScope as Chosen
from app.models.names import name_key

_held_now = exists().where(
    UserRole.user_id == Row_.user_id,
    UserRole.role_id == RolePermission.role_id,
    RolePermission.permission_id == Chosen.permission_id,
)
_FOUND: Select[*tuple[Any, ...]] = (
    select(
        Row_.id,
        Row_.user_id,
        Row_.generation,
        Row_.issued_at,
        Row_.expires_at,
        Row_.revoked_at,
        User.username,
        User.enabled,
        Resource.identifier,
        Permission.name,
        _held_now.label("held"),
    )
    .join(User, User.id == Row_.user_id)
    .outerjoin(Chosen, Chosen.token_id == Row_.id)
    .outerjoin(Resource, Resource.id == Chosen.resource_id)
    .outerjoin(Permission, Permission.id == Chosen.permission_id)
)
_BY_DIGEST = CompiledSelect(_FOUND.where(Row_.digest == bindparam("digest")))
_BY_SECRET = CompiledSelect(_FOUND.where(and_(Row_.id == bindparam("id"), Row_.generation == bindparam("generation"))))

_CHOOSE = CompiledInsert(
    insert(Chosen).from_select(
        ["token_id", "permission_id", "resource_id"],
        select(bindparam("token", type_=String), Permission.id, Permission.resource_id).where(
            Permission.name == bindparam("name", type_=String)
        ),
    )
)


class PersonalAccessTokens:
    """The kind `personal_access_token`."""

    name: ClassVar[str] = PERSONAL_ACCESS_TOKEN

    def recognizes(self, token: str) -> bool:
        """Tell by prefix, length, alphabet and check."""
        return prefix_of(token) is Prefix.PAT

    def issue(self, session: Session, subject: Subject, terms: Terms) -> Issued:
        """Store the digest and the chosen scopes; `subject.id` is the user's. Raises Conflict when one is gone."""
        token, row_id = mint(Prefix.PAT), new_id("pat")
        add_row(
            session,
            Row_,
            id=row_id,
            user_id=subject.id,
            name=terms.name,
            held_as=name_key(terms.name),
            description=terms.description,
            digest=digest(token),
            hint=hint(token),
            created_at=terms.at,
            issued_at=terms.at,
            expires_at=terms.expires_at,
        )
        chosen = [{"token": row_id, "name": name} for name in terms.grants.scopes]
        if _CHOOSE.run(session.connection(), *chosen) != len(chosen):
            raise Conflict("a chosen scope was deleted at the same moment")
        return Issued(row_id, token)

    def reissue(self, session: Session, row: Row_, at: datetime, expires_at: datetime | None) -> Issued:
        """Give the same token a new secret and expiry; the old secret is dead with this transaction."""
        token = mint(Prefix.PAT)
        row.digest, row.hint, row.generation = digest(token), hint(token), row.generation + 1
        row.issued_at, row.expires_at = at, expires_at
        session.flush()
        return Issued(row.id, token)

    def verify(self, connection: Connection, token: str, at: datetime) -> Claims | None:
        """Look the digest up and give the chosen scopes that the user's roles still give."""
        return _claims(_BY_DIGEST.rows(connection, digest=digest(token)), at)

    def verify_secret(self, connection: Connection, secret: Secret, at: datetime) -> Claims | None:
        """Check what an exchanged token was made from: the same token, not regenerated since."""
        if not secret.version.isdecimal() or len(secret.version) > 9:
            return None
        rows = _BY_SECRET.rows(connection, id=secret.credential_id, generation=int(secret.version))
        return _claims(rows, at)

    def identify(self, connection: Connection | Session, token: str, at: datetime) -> str | None:
        """Name the token that this is the secret of, active or not; None when there is none."""
        return connection.execute(select(Row_.id).where(Row_.digest == digest(token))).scalar_one_or_none()

    def identify_all(self, connection: Connection | Session, tokens: Sequence[str], at: datetime) -> set[str]:
        """Name the tokens that these are the secrets of, active or not, in one statement a batch."""
        found: set[str] = set()
        for batch in batches([digest(token) for token in tokens]):
            found |= set(connection.execute(select(Row_.id).where(Row_.digest.in_(batch))).scalars())
        return found

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """End the token and free its name."""
        ended = session.execute(
            update(Row_)
            .where(Row_.id == credential_id, Row_.revoked_at.is_(None))
            .values(revoked_at=at, revoked_reason=reason, name_held=False)
            .returning(Row_.id)
        )
        return ended.first() is not None


def _claims(rows: list[Row[Any]] | Any, at: datetime) -> Claims | None:
    if not rows:
        return None
    row = rows[0]
    if row.revoked_at is not None or not row.enabled or (row.expires_at is not None and row.expires_at <= at):
        return None
    return Claims(
        kind=PERSONAL_ACCESS_TOKEN,
        credential_id=row.id,
        audience=tuple(sorted({r.identifier for r in rows if r.identifier is not None})),
        grants=Grants.of((r.identifier, r.name) for r in rows if r.name is not None and r.held),
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        subject=row.user_id,
        username=row.username,
        secret=Secret(row.id, str(row.generation)),
        stands_until=row.expires_at,
    )
