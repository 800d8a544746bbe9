"""Personal access tokens: opaque tokens, to which a user delegates scopes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    bindparam,
    exists,
    func,
    insert,
    join,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased

from app.access.holders import Holder, HolderPage, is_live, roles_of_users
from app.access.listing import Granted, Listing
from app.access.scopes import Grants
from app.compat.sqlalchemy import CompiledInsert, CompiledSelect
from app.credentials.kind import (
    ENDING_SOON,
    LONG_UNUSED,
    Claims,
    Description,
    Identity,
    Issued,
    Labels,
    LiveCount,
    Secret,
    Subject,
    Terms,
    Verdict,
    state_of,
)
from app.credentials.reasons import Reason
from app.crypto.opaque import Prefix, digest, hint, mint, prefix_of
from app.crypto.replaced_secrets import find_replaced, keep_replaced, replaced_by_digest
from app.database.ordering import contains_text
from app.database.statements import add_row, batches
from app.database.types import Base, new_id
from app.errors import Conflict
from app.models import Permission, PersonalAccessToken, Resource, RolePermission, User, UserRole
from app.models import PersonalAccessTokenScope as Chosen
from app.models.names import name_key

BATCHES_OF_CHOICES = (200, 2000, 20_000)  # how many choices are read for a page of holders, step by step
MAX_GENERATION_DIGITS = 9

_granted_now = exists().where(
    UserRole.user_id == PersonalAccessToken.user_id,
    UserRole.role_id == RolePermission.role_id,
    RolePermission.permission_id == Chosen.permission_id,
)
_VERIFIED = (
    PersonalAccessToken.id,
    PersonalAccessToken.user_id,
    PersonalAccessToken.generation,
    PersonalAccessToken.issued_at,
    PersonalAccessToken.expires_at,
    PersonalAccessToken.revoked_at,
    User.username,
    User.enabled,
    Resource.identifier,
    Permission.name,
    _granted_now.label("granted"),
)


def _with_choices(query: Select[*tuple[Any, ...]]) -> CompiledSelect:
    """Compile a query of tokens that reads the user and the chosen scopes of each."""
    return CompiledSelect(
        query.outerjoin(User, User.id == PersonalAccessToken.user_id)
        .outerjoin(Chosen, Chosen.token_id == PersonalAccessToken.id)
        .outerjoin(Resource, Resource.id == Chosen.resource_id)
        .outerjoin(Permission, Permission.id == Chosen.permission_id)
    )


_ONE_ROW = select(literal(1)).subquery()  # so that an unknown digest has a row too: was it replaced?
_BY_DIGEST = _with_choices(
    select(*_VERIFIED, replaced_by_digest(Prefix.PAT.kind).label("replaced"))
    .select_from(_ONE_ROW)
    .outerjoin(PersonalAccessToken, PersonalAccessToken.digest == bindparam("digest"))
)
_BY_SECRET = _with_choices(
    select(*_VERIFIED).where(
        and_(PersonalAccessToken.id == bindparam("id"), PersonalAccessToken.generation == bindparam("generation"))
    )
)
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

    name: ClassVar[str] = Prefix.PAT.kind
    target: ClassVar[str] = name
    labels: ClassVar[Labels] = Labels("Personal access token", "Personal access tokens", "tokens")
    exchangeable: ClassVar[bool] = True
    counted_as: ClassVar[str] = name
    used_rows: ClassVar[type[Base] | None] = PersonalAccessToken

    def recognizes(self, token: str) -> bool:
        """Check prefix, length, alphabet and check characters."""
        return prefix_of(token) is Prefix.PAT

    def issue(self, session: Session, subject: Subject, terms: Terms) -> Issued:
        """Store the digest and the chosen scopes; `subject.id` is the user's. Raises Conflict if a scope is gone."""
        token, row_id = mint(Prefix.PAT), new_id("pat")
        add_row(
            session,
            PersonalAccessToken,
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

    def verify(self, connection: Connection, token: str, at: datetime) -> Verdict:
        """Look the digest up and return the chosen scopes that the user's roles still give."""
        rows = _BY_DIGEST.rows(connection, digest=digest(token))
        if rows[0].id is None:
            return None if rows[0].replaced else Reason.UNKNOWN
        return _read_claims(rows, at)

    def verify_secret(self, connection: Connection, secret: Secret, at: datetime) -> Claims | None:
        """Verify the token that an exchanged token was made from: it must not have been regenerated since."""
        if not secret.version.isdecimal() or len(secret.version) > MAX_GENERATION_DIGITS:
            return None
        rows = _BY_SECRET.rows(connection, id=secret.credential_id, generation=int(secret.version))
        return _read_claims(rows, at)

    def identify(self, connection: Connection | Session, tokens: Sequence[str], at: datetime) -> set[Identity]:
        """Return the tokens with these secrets."""
        found: set[Identity] = set()
        for batch in batches([digest(token) for token in tokens]):
            query = select(PersonalAccessToken.id).where(PersonalAccessToken.digest.in_(batch))
            found |= {Identity(row_id) for row_id in connection.execute(query).scalars()}
        return found

    def describe(self, session: Session, token: str, at: datetime) -> Description | None:
        """Return the token with this secret, and its user; the secret before a regeneration is `superseded`."""
        found = _describe_row(session, PersonalAccessToken.digest == digest(token), at)
        return found or _describe_replaced(session, token, at)

    def find(self, session: Session, credential_id: str, at: datetime) -> Description | None:
        """Return the token with this id, and its user."""
        return _describe_row(session, PersonalAccessToken.id == credential_id, at)

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """End the token and free its name."""
        ended = session.execute(
            update(PersonalAccessToken)
            .where(PersonalAccessToken.id == credential_id, PersonalAccessToken.revoked_at.is_(None))
            .values(revoked_at=at, revoked_reason=reason, name_held=False)
            .returning(PersonalAccessToken.id)
            .execution_options(synchronize_session=False)  # or each statement compares all loaded rows
        )
        return ended.first() is not None

    def holders(
        self, session: Session, permission: Permission, at: datetime, limit: int, after: str | None
    ) -> HolderPage:
        """Read the rows that choose this scope, by id, until the page is full or the last batch was read."""
        last_read, found = int(after or 0), list[tuple[int, _HoldingToken]]()
        for size in BATCHES_OF_CHOICES:
            choices = _read_choices(session, permission, last_read, size)
            holding = _select_holding(session, permission, at, [token for _, token in choices])
            found += [(choice, holding[token]) for choice, token in choices if token in holding]
            last_read = choices[-1][0] if len(choices) == size else 0
            if len(found) > limit or not last_read:
                break
        last = found[limit - 1][0] if len(found) > limit else last_read
        page = [token for _, token in found[:limit]]
        roles = roles_of_users(session, permission, {one.owner_id for one in page})
        return [one.holder(roles[one.owner_id]) for one in page], str(last) if last else None

    def live_count(self, session: Session, at: datetime) -> LiveCount | None:
        """Count the live tokens of enabled users."""
        row, count = PersonalAccessToken, func.count()
        ending = count.filter(row.expires_at <= at + ENDING_SOON)
        unused = count.filter(func.coalesce(row.last_used_at, row.created_at) <= at - LONG_UNUSED)
        of_disabled = select(User.id).where(~User.enabled)
        query = select(count, ending, unused).select_from(row)
        return LiveCount(*session.execute(query.where(*is_live(row, at), row.user_id.not_in(of_disabled))).one())

    def listing(self, at: datetime) -> Listing:
        """List the tokens with their users, and with the scopes that were chosen."""
        row = PersonalAccessToken
        return Listing(
            one=self.labels.one,
            rows=join(row, User, User.id == row.user_id),
            id=row.id,
            name=row.name,
            hint=row.hint,
            created_at=row.created_at,
            enabled=User.enabled,
            matches=lambda text: or_(contains_text(text, row.name, row.hint), row.user_id.in_(_users_with(text))),
            carries=lambda permission: row.id.in_(select(Chosen.token_id).where(Chosen.permission_id == permission)),
            reaches=lambda resource: row.id.in_(select(Chosen.token_id).where(Chosen.resource_id == resource)),
            grants=_chosen_scopes,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            revoked_reason=row.revoked_reason,
            last_used_at=row.last_used_at,
            owner_type="user",
            owner_row_id=row.user_id,
            owner_id=row.user_id,
            owner_name=User.username,
        )

    def reissue(self, session: Session, row: PersonalAccessToken, at: datetime, expires_at: datetime | None) -> Issued:
        """Replace the secret and the expiry of a token; the old secret ends with this transaction."""
        token = mint(Prefix.PAT)
        keep_replaced(session, self.target, row.id, row.digest, row.hint, at)
        row.digest, row.hint, row.generation = digest(token), hint(token), row.generation + 1
        row.issued_at, row.expires_at = at, expires_at
        session.flush()
        return Issued(row.id, token)


def _read_claims(rows: Sequence[Any], at: datetime) -> Claims | None:
    if not rows:
        return None
    row = rows[0]
    if row.revoked_at is not None or not row.enabled or (row.expires_at is not None and row.expires_at <= at):
        return None
    return Claims(
        kind=PersonalAccessTokens.name,
        credential_id=row.id,
        audience=tuple(sorted({r.identifier for r in rows if r.identifier is not None})),
        grants=Grants.of((r.identifier, r.name) for r in rows if r.name is not None and r.granted),
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        subject=row.user_id,
        username=row.username,
        personal=True,
        secret=Secret(row.id, str(row.generation)),
        valid_until=row.expires_at,
        counted=(PersonalAccessTokens.counted_as, row.id),
    )


def _describe_row(session: Session, condition: ColumnElement[bool], at: datetime) -> Description | None:
    found = session.execute(select(PersonalAccessToken, User).join(User).where(condition)).one_or_none()
    if found is None:
        return None
    row, user = found
    status, reason = state_of(row.revoked_at, row.revoked_reason, row.expires_at, at, enabled=user.enabled)
    return Description(
        status,
        reason,
        credential_type=PersonalAccessTokens.name,
        id=row.id,
        name=row.name,
        hint=row.hint,
        owner_type="user",
        owner_id=user.id,
        owner_name=user.username,
        created_at=row.issued_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        target=PersonalAccessTokens.target,
        owner_row_id=user.id,
        last_used_at=row.last_used_at,
        counted=(PersonalAccessTokens.counted_as, row.id),
    )


def _describe_replaced(session: Session, token: str, at: datetime) -> Description | None:
    """Return the token whose secret this was until it was regenerated; None if that is not known."""
    replaced = find_replaced(session, PersonalAccessTokens.target, token)
    if replaced is None:
        return None
    found = _describe_row(session, PersonalAccessToken.id == replaced.credential_id, at)
    if found is None or found.status != "active":
        return found and replace(found, hint=replaced.hint)
    return replace(
        found,
        status="superseded",
        reason="regenerated: a newer secret took its place",
        hint=replaced.hint,
        superseded_at=replaced.replaced_at,
    )


def _users_with(text: str) -> Select[str]:
    """Return the users whose names contain a text: they are read once, not for each token."""
    user = aliased(User)
    return select(user.id).where(contains_text(text, user.username, user.display_name, user.email))


def _chosen_scopes(session: Session, token_ids: Sequence[str]) -> Iterable[Granted]:
    query = select(Chosen.token_id, Resource.identifier, Permission.name)
    query = query.join(Resource, Resource.id == Chosen.resource_id).join(
        Permission, Permission.id == Chosen.permission_id
    )
    return ((row[0], row[1], row[2]) for row in session.execute(query.where(Chosen.token_id.in_(token_ids))))


@dataclass(frozen=True, slots=True)
class _HoldingToken:
    """A live token that carries a permission, and its user."""

    id: str
    name: str
    hint: str
    owner_id: str
    username: str

    def holder(self, roles: Any) -> Holder:
        return Holder(self.id, self.name, self.hint, roles, self.owner_id, self.username)


def _read_choices(session: Session, permission: Permission, after: int, size: int) -> list[tuple[int, str]]:
    chosen = select(Chosen.id, Chosen.token_id).where(Chosen.permission_id == permission.id, Chosen.id > after)
    return [(choice, token) for choice, token in session.execute(chosen.order_by(Chosen.id).limit(size))]


def _select_holding(
    session: Session, permission: Permission, at: datetime, tokens: list[str]
) -> dict[str, _HoldingToken]:
    """Return the live tokens whose user is enabled and has the scope by a role; each join is by primary key."""
    row = PersonalAccessToken
    given = exists().where(
        UserRole.user_id == User.id,
        UserRole.role_id == RolePermission.role_id,
        RolePermission.permission_id == permission.id,
    )
    query = select(row.id, row.name, row.hint, User.id, User.username).join(User, User.id == row.user_id)
    live: Select[*tuple[Any, ...]] = query.where(row.id.in_(tokens), User.enabled, *is_live(row, at), given)
    return {found[0]: _HoldingToken(*found) for found in session.execute(live)}
