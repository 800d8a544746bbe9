"""Links with which users set a password themselves: an invitation or a reset; each works once, within an hour."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from app.access.rbac import grants_of_user
from app.actions.audit.actor import Actor, anonymous
from app.actions.audit.record import record
from app.actions.directory.escalation import refuse_delegates, refuse_exceeding
from app.actions.limits.abuse import LINKS_OF_ADDRESS, RESETS_OF_ADDRESS, RESETS_OF_NAME, AbuseLimits
from app.actions.outbox.enqueue import MAIL, Notice, enqueue
from app.actions.outbox.notice_types import LINK_MAILS
from app.actions.sign_in.password_policy import PasswordPolicy
from app.actions.sign_in.passwords import Passwords
from app.actions.sign_in.sessions import end_sessions
from app.clock import Clock
from app.crypto.link_secrets import LinkSecrets
from app.crypto.opaque import digest
from app.database.statements import delete_expired
from app.database.store import Store
from app.database.types import new_id
from app.errors import Conflict, Invalid, NotFound
from app.models import OneTimeLink, User
from app.models.names import LONGEST_EMAIL, email_key, plain_name, username_key
from app.models.user import has_username
from app.settings.settings import Settings

Purpose = Literal["invitation", "reset"]
LIFETIME = timedelta(hours=1)
LONGEST_SECRET = 100  # characters
PAGE = "/login/link"
EVENTS: dict[Purpose, str] = {"invitation": "user.invite", "reset": "user.reset"}
NOT_ALLOWED = "this user may not use a password here (PASSWORDS): let them sign in at an identity provider"
INVALID = "the link is unknown, used or expired: ask for another one"


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link to make."""

    purpose: Purpose


@dataclass(frozen=True, slots=True)
class MadeLink:
    """A new link: `sent_to` is the address that it was mailed to; without mail, `url` is the link, shown once."""

    id: str
    purpose: Purpose
    expires_at: datetime
    sent_to: str | None
    url: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """Whose link it is, and what for."""

    user_id: str
    username: str
    purpose: str


class OneTimeLinks:
    """Makes links, and sets the passwords of the users who follow them."""

    def __init__(
        self, store: Store, passwords: Passwords, limits: AbuseLimits, settings: Settings, clock: Clock
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._limits = limits
        self._secrets = LinkSecrets(settings.secret_keys)
        self._issuer = settings.issuer
        self._mails = settings.smtp_server is not None
        self._management = settings.management_identifier
        self._policy = PasswordPolicy(settings.passwords, settings.management_identifier)
        self._clock = clock

    @property
    def mails(self) -> bool:
        """Whether links are mailed to users who have an address."""
        return self._mails

    @property
    def offered(self) -> bool:
        """Whether users can ask for a link themselves: this server sends mail, and has passwords."""
        return self._mails and not self._policy.off

    def create(self, actor: Actor, user_id: str, new: NewLink) -> MadeLink:
        """Make a link for an enabled user, and end the user's earlier one; mail it, or return it to be shown once.

        Raises NotFound, Conflict (the user is disabled, or may not use a password), Forbidden (a delegate, or the user
        carries more than the caller): a link is as good as a password.
        """
        refuse_delegates(actor)
        with self._store.transaction() as session:
            user = session.get(User, user_id, with_for_update=True)
            if user is None:
                raise NotFound("there is no such user")
            refuse_exceeding(actor, grants_of_user(session, user_id), self._management)
            if not user.enabled:
                raise Conflict("the user is disabled: enable the user first")
            if not self._policy.allows(session, user_id):
                raise Conflict(NOT_ALLOWED)
            return self._make(session, actor, user, new.purpose)

    def withdraw(self, link_id: str) -> None:
        """Delete a link that could not be shown."""
        with self._store.transaction() as session:
            session.execute(delete(OneTimeLink).where(OneTimeLink.id == link_id))

    def request_reset(self, name: str, address: str | None, request_id: str | None) -> None:
        """Mail a link to the user of this username or address, if there is one that can get it.

        Callers learn nothing of it: run this after the answer. Names beyond a limit get no further mail.
        """
        if self._limits.count(RESETS_OF_NAME.of(username_key(name[:LONGEST_EMAIL]))).wait:
            return
        user_id = self._find(name)
        if user_id is not None:
            with self._store.transaction() as session:
                user = session.get(User, user_id, with_for_update=True)
                usable = user is not None and user.enabled and self._policy.allows(session, user_id)
                if user is not None and usable and user.email is not None:
                    self._make(session, anonymous(address, request_id), user, "reset")

    def refuse_requests_beyond(self, address: str | None) -> None:
        """Count a request for a link; raise TooManyRequests when an address makes too many."""
        self._limits.refuse_beyond(RESETS_OF_ADDRESS.at(address))

    def open(self, secret: str, address: str | None) -> OpenedLink:
        """Return whose link this is; it remains valid. Raises Invalid, and TooManyRequests for one that guesses."""
        query = select(User.id, User.username, OneTimeLink.purpose).join(User, User.id == OneTimeLink.user_id)
        live = OneTimeLink.digest == digest(secret[:LONGEST_SECRET]), OneTimeLink.used_at.is_(None), User.enabled
        with self._store.connection() as connection:
            row = connection.execute(query.where(*live, OneTimeLink.expires_at > self._clock())).one_or_none()
            usable = row is not None and self._policy.allows(connection, row.id)
        if row is None or not usable:
            self._limits.refuse_beyond(LINKS_OF_ADDRESS.at(address))
            raise Invalid.field("code", INVALID)
        return OpenedLink(*row)

    def set_password(self, secret: str, password: str, address: str | None, request_id: str | None) -> Actor:
        """Set the password of the link's user and end every sign-in; return the user. Of several at once one succeeds.

        Raises Invalid, TooManyRequests, Busy.
        """
        opened = self.open(secret, address)
        with self._store.reading() as session:
            user = session.get(User, opened.user_id)
        if user is None:  # deleted at the same moment
            raise Invalid.field("code", INVALID)
        names = user.username, user.email, user.display_name
        hashed = self._passwords.accept(password, *names)  # before the transaction: the write lock is not held for it
        now = self._clock()
        actor = Actor("user", opened.user_id, opened.username, address=address, request_id=request_id)
        with self._store.transaction() as session:
            row = session.get(User, opened.user_id, with_for_update=True)  # before the link, as elsewhere
            if row is None or not row.enabled:
                raise Invalid.field("code", INVALID)
            link_id = self._spend(session, secret, now)
            row.password_digest, row.password_until = hashed, None
            end_sessions(session, opened.user_id)
            record(session, actor, "user.update", "user", opened.user_id, now, changed=["password"], link=link_id)
            management = grants_of_user(session, opened.user_id).on([self._management]).scopes
        return replace(actor, management=management)

    def write_url(self, link_id: str) -> str | None:
        """Return the URL of a live link, for the mail that carries it; None once it is used, expired or replaced."""
        with self._store.reading() as session:
            row = session.get(OneTimeLink, link_id)
            if row is None or row.used_at is not None or row.expires_at <= self._clock():
                return None
            kept = row.digest
        found = (secret for secret in self._secrets.derive_each(link_id) if digest(secret) == kept)
        return next((self._write(secret) for secret in found), None)

    def _make(self, session: Session, actor: Actor, user: User, purpose: Purpose) -> MadeLink:
        now, link_id = self._clock(), new_id("lnk")
        secret, expires_at = self._secrets.derive(link_id), now + LIFETIME
        delete_expired(session, OneTimeLink, OneTimeLink.expires_at <= now)
        end_links(session, user.id)
        row = OneTimeLink(id=link_id, user_id=user.id, purpose=purpose, digest=digest(secret))
        row.created_at, row.expires_at = now, expires_at
        session.add(row)
        sent_to = user.email if self._mails else None
        if sent_to is not None:
            data = {"link_id": link_id, "expires_at": expires_at.isoformat()}
            enqueue(session, MAIL, user.id, Notice(LINK_MAILS[purpose], link_id, data, now))
        record(session, actor, EVENTS[purpose], "user", user.id, now, mailed=sent_to is not None)
        return MadeLink(link_id, purpose, expires_at, sent_to, None if sent_to else self._write(secret))

    def _write(self, secret: str) -> str:
        """Return the URL: what follows the # reaches no server and no log."""
        return f"{self._issuer}{PAGE}#{secret}"

    def _find(self, name: str) -> str | None:
        plain = plain_name(name)
        if not plain or len(plain) > LONGEST_EMAIL or not plain.isprintable():
            return None
        has_address = or_(User.email_key == email_key(plain), User.email == plain)
        with self._store.connection() as connection:  # an address first: a username may look like one of somebody else
            found = (
                connection.execute(select(User.id).where(mine)).scalar() for mine in (has_address, has_username(plain))
            )
            return next((user_id for user_id in found if user_id is not None), None)

    def _spend(self, session: Session, secret: str, now: datetime) -> str:
        """Mark the link as used; the row decides which of several requests does. Raise Invalid."""
        live = OneTimeLink.digest == digest(secret[:LONGEST_SECRET]), OneTimeLink.used_at.is_(None)
        used = update(OneTimeLink).where(*live, OneTimeLink.expires_at > now).values(used_at=now)
        link_id: str | None = session.scalar(used.returning(OneTimeLink.id))
        if link_id is None:
            raise Invalid.field("code", INVALID)
        return link_id


def end_links(session: Session, user_id: str) -> None:
    """End the links of a user in the caller's transaction, which has locked the user."""
    session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user_id))
