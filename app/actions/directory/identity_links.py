"""The accounts at identity providers that are linked to users: list them, link one for a user, and end a link."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from app.access.rbac import grants_of_roles, grants_of_user
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import keep_administrators
from app.actions.directory.escalation import refuse_delegates, refuse_exceeding
from app.actions.directory.identity_provider_records import IdentityLinkView, NewIdentityLink
from app.actions.directory.provided_roles import end_source
from app.actions.directory.rows import Page, Rows
from app.actions.directory.uniqueness import translate_duplicates
from app.actions.outbox.notices import Notices
from app.actions.sign_in.providers import ListedProvider, Providers
from app.actions.sign_in.sessions import end_sessions
from app.clock import Clock
from app.database.locks import for_update
from app.database.store import Store
from app.database.types import new_id
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.models import IdentityLink, Passkey, User

TARGET = "user"
MOST_LINKS = 20  # of a user
ONLY_WAY = "this is the only way to sign in to the account: set up another one first"
OWN = "link and unlink your own accounts on your account's page"
LINKED = "this account of the provider is linked to a user already"
NO_USER = "there is no such user"
LINKS = Rows(IdentityLink, "the user has no such linked account")


class IdentityLinks:
    """Lists and ends the links of users, and makes them for others."""

    def __init__(
        self, store: Store, providers: Providers, notices: Notices, management_identifier: str, clock: Clock
    ) -> None:
        self._store = store
        self._providers = providers
        self._notices = notices
        self._management = management_identifier
        self._clock = clock

    def of_user(self, user_id: str) -> list[IdentityLinkView]:
        """List a user's links, oldest first."""
        names = self._names()
        with self._store.reading() as session:
            return [_view(row, names) for row in LINKS.all(session, IdentityLink.user_id == user_id)]

    def page(self, user_id: str, limit: int, after: str | None = None) -> Page[IdentityLinkView]:
        """List a user's links in pages. Raises NotFound."""
        names = self._names()
        with self._store.reading() as session:
            if session.get(User, user_id) is None:
                raise NotFound(NO_USER)
            return LINKS.page(session, limit, after, lambda row: _view(row, names), IdentityLink.user_id == user_id)

    def get(self, user_id: str, link_id: str) -> IdentityLinkView:
        """Return one of a user's links. Raises NotFound."""
        names = self._names()
        with self._store.reading() as session:
            return _view(_load(session, user_id, link_id), names)

    def create(self, actor: Actor, user_id: str, new: NewIdentityLink) -> IdentityLinkView:
        """Link an account to another user: anyone who has it signs in as them, as with a password.

        Raises NotFound, Invalid, Duplicate, Conflict (too many), Forbidden (a delegate, oneself, a user who carries
        more than the caller, a provider that gives more: the user would get it when the person next signs in).
        """
        refuse_delegates(actor)
        _refuse_oneself(actor, user_id)
        now, issuer = self._clock(), self._issuer_of(new.provider)
        subject, names = _checked_subject(new.subject), self._names()
        with translate_duplicates(LINKED), self._store.transaction() as session:
            user = _lock(session, user_id)
            refuse_exceeding(actor, grants_of_user(session, user_id), self._management)
            given = grants_of_roles(session, self._providers.roles_of_issuer(session, issuer))
            refuse_exceeding(actor, given, self._management)
            row = add_link(session, actor, user, issuer, subject, now)
            self._notices.notify_links(session, user_id, user.username, None, now)
            return _view(row, names)

    def end_own(self, actor: Actor, link_id: str) -> None:
        """End a link of the user's own, and the roles that its provider gave. Raises NotFound, Conflict."""
        now, sources = self._clock(), self._providers.listed()
        with self._store.transaction() as session, keep_administrators(session, actor, now):
            row = _load(session, actor.id, link_id)
            if not _has_another_way(session, row):
                raise Conflict(ONLY_WAY)
            _end(session, actor, row, sources, now)
            self._notices.notify_links(session, actor.id, actor.name, actor.address, now)

    def end_for(self, actor: Actor, user_id: str, link_id: str) -> None:
        """End a link of another user, even their only way to sign in, with the roles that its provider gave.

        Their sign-ins end. Raises NotFound, Conflict (the last administrator), Forbidden (a delegate, oneself, a user
        who carries more than the caller).
        """
        refuse_delegates(actor)
        _refuse_oneself(actor, user_id)
        now, sources = self._clock(), self._providers.listed()
        with self._store.transaction() as session, keep_administrators(session, actor, now):
            user = _lock(session, user_id)
            refuse_exceeding(actor, grants_of_user(session, user_id), self._management)
            _end(session, actor, _load(session, user_id, link_id), sources, now)
            end_sessions(session, user_id)
            self._notices.notify_links(session, user_id, user.username, None, now)

    def _names(self) -> Mapping[str, str]:
        return {one.issuer: one.name for one in reversed(self._providers.listed())}

    def _issuer_of(self, provider_id: str) -> str:
        found = next((one.issuer for one in self._providers.listed() if one.id == provider_id), None)
        if found is None:
            raise Invalid.field("provider", "there is no such identity provider")
        return found


def add_link(session: Session, by: Actor, user: User, issuer: str, subject: str, now: datetime) -> IdentityLink:
    """Add a link in the caller's transaction, which has locked the user, with its event. Raises Conflict."""
    if (session.scalar(select(func.count(IdentityLink.id)).where(IdentityLink.user_id == user.id)) or 0) >= MOST_LINKS:
        raise Conflict(f"a user has at most {MOST_LINKS} linked accounts: unlink one first")
    row = IdentityLink(id=new_id("lnk"), user_id=user.id, issuer=issuer, subject=subject)
    row.created_at = row.last_used_at = now
    session.add(row)
    record(session, by, f"{TARGET}.link", TARGET, user.id, now, issuer=issuer, subject=subject)
    session.flush()
    return row


def _end(session: Session, actor: Actor, row: IdentityLink, sources: list[ListedProvider], now: datetime) -> None:
    session.delete(row)
    for source in (one.id for one in sources if one.issuer == row.issuer):
        end_source(session, source, row.user_id)
    record(session, actor, f"{TARGET}.unlink", TARGET, row.user_id, now, issuer=row.issuer, subject=row.subject)


def _refuse_oneself(actor: Actor, user_id: str) -> None:
    if actor.type == TARGET and actor.id == user_id:
        raise Forbidden(OWN)


def _checked_subject(subject: str) -> str:
    if not subject.isprintable():
        raise Invalid.field("subject", "must be one line of visible characters")
    return subject


def _lock(session: Session, user_id: str) -> User:
    user = session.scalar(for_update(select(User).where(User.id == user_id), User))
    if user is None:
        raise NotFound(NO_USER)
    return user


def _load(session: Session, user_id: str, link_id: str) -> IdentityLink:
    return LINKS.load(session, IdentityLink.id == link_id, IdentityLink.user_id == user_id)


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
