"""The accounts at identity providers that are linked to users: list them, and end a link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import keep_administrators
from app.actions.directory.provided_roles import end_source
from app.actions.sign_in.providers import Providers
from app.clock import Clock
from app.database.store import Store
from app.errors import Conflict, NotFound
from app.models import IdentityLink, Passkey, User

TARGET = "user"
ONLY_WAY = "this is the only way to sign in to the account: set up another one first"


@dataclass(frozen=True, slots=True)
class IdentityLinkView:
    """A link as it is shown; `provider` is the name of a provider with this issuer, None without one."""

    id: str
    issuer: str
    subject: str
    provider: str | None
    created_at: datetime
    last_used_at: datetime


class IdentityLinks:
    """Lists and ends the links of users."""

    def __init__(self, store: Store, providers: Providers, clock: Clock) -> None:
        self._store = store
        self._providers = providers
        self._clock = clock

    def of_user(self, user_id: str) -> list[IdentityLinkView]:
        """List a user's links, oldest first."""
        names = {one.issuer: one.name for one in reversed(self._providers.listed())}
        query = select(IdentityLink).where(IdentityLink.user_id == user_id).order_by(IdentityLink.id)
        with self._store.reading() as session:
            return [_view(row, names) for row in session.scalars(query)]

    def end(self, actor: Actor, user_id: str, link_id: str, *, only_way: bool = False) -> None:
        """End a link, and the roles that its provider gave. Raises NotFound, and Conflict for the only way to sign in.

        With `only_way`, an operator may end that one too, but not of the last administrator.
        """
        now = self._clock()
        sources = self._providers.listed()
        with self._store.transaction() as session, keep_administrators(session, actor, now):
            mine = IdentityLink.id == link_id, IdentityLink.user_id == user_id
            row = session.scalar(select(IdentityLink).where(*mine))
            if row is None:
                raise NotFound("the user has no such linked account")
            if not only_way and not _has_another_way(session, row):
                raise Conflict(ONLY_WAY)
            session.delete(row)
            for source in (one.id for one in sources if one.issuer == row.issuer):
                end_source(session, source, user_id)
            details = {"issuer": row.issuer, "subject": row.subject}
            record(session, actor, f"{TARGET}.unlink", TARGET, user_id, now, **details)


def _has_another_way(session: Session, row: IdentityLink) -> bool:
    password = exists().where(User.id == row.user_id, User.password_digest.is_not(None))
    passkey = exists().where(Passkey.user_id == row.user_id)
    another = exists().where(IdentityLink.user_id == row.user_id, IdentityLink.id != row.id)
    return any(session.execute(select(password, passkey, another)).one())


def _view(row: IdentityLink, names: Mapping[str, str]) -> IdentityLinkView:
    return IdentityLinkView(
        id=row.id,
        issuer=row.issuer,
        subject=row.subject,
        provider=names.get(row.issuer),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
    )
