"""Admit the person that an identity provider signed in: as the user linked to the issuer and subject, or a new one.

A name or an address never links: anyone who can choose one at a provider would take over the account that has it here.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.access.rbac import grants_of_user
from app.actions.audit.actor import SERVER, Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import LOCK, drop_dormant_scopes
from app.actions.directory.identity_links import add_link
from app.actions.directory.names import checked_email, checked_username, optional_name
from app.actions.directory.provided_roles import sync_roles
from app.actions.directory.uniqueness import translate_duplicates
from app.actions.outbox.notices import Notices
from app.actions.sign_in.ask_provider import Identity
from app.actions.sign_in.providers import FOREIGN
from app.clock import Clock
from app.crypto.opaque import digest
from app.database.locks import advisory_lock, for_update
from app.database.statements import batches, delete_expired, insert_once
from app.database.store import Store
from app.database.types import new_id
from app.errors import Duplicate, Invalid, SignInRefused
from app.models import IdentityLink, Role, SpentChallenge, User
from app.models.names import email_key
from app.models.user import has_username

TARGET = "user"
DISABLED = "your account is disabled: ask an operator"
AGAIN = "the same sign-in is under way: begin again"


class AdmitIdentity:
    """Turns an identity into a signed-in user; linking, roles and events are one transaction."""

    def __init__(
        self,
        store: Store,
        notices: Notices,
        management_identifier: str,
        clock: Clock,
    ) -> None:
        self._store = store
        self._notices = notices
        self._management = management_identifier
        self._clock = clock

    def __call__(self, caller: Actor, identity: Identity) -> Actor:
        """Return the user as an actor; the caller is anonymous. Raises SignInRefused, Duplicate."""
        try:
            return self._admit(caller, identity)
        except Duplicate:  # the same person signs in for the first time twice at once
            return self._admit(caller, identity)

    def _admit(self, caller: Actor, identity: Identity) -> Actor:
        now, by = self._clock(), replace(SERVER, address=caller.address, request_id=caller.request_id)
        with translate_duplicates(AGAIN), self._store.transaction() as session:
            self._begin(session, identity, now)
            link = _find_link(session, identity)
            user = self._create(session, by, identity, now) if link is None else _load(session, link.user_id)
            if not user.enabled:
                raise SignInRefused(DISABLED)
            if link is not None:
                link.last_used_at = now
            self._follow_groups(session, by, user, identity, now)
            session.flush()
            management = grants_of_user(session, user.id).on([self._management]).scopes
            admitted = (user.id, user.username)
        return Actor("user", *admitted, management=management, address=caller.address, request_id=caller.request_id)

    def link(self, actor: Actor, identity: Identity) -> None:
        """Link the identity to the signed-in user, whose groups then give roles.

        Raises SignInRefused, Duplicate, Conflict (too many links).
        """
        now = self._clock()
        with translate_duplicates(AGAIN), self._store.transaction() as session:
            self._begin(session, identity, now)
            link, user = _find_link(session, identity), _load(session, actor.id)
            if link is not None and link.user_id != user.id:
                raise SignInRefused(f"this account of {identity.provider.name} is linked to another user")
            if link is None:
                add_link(session, actor, user, identity.provider.issuer, identity.subject, now)
                self._notices.notify_links(session, user.id, user.username, actor.address, now)
            self._follow_groups(session, actor, user, identity, now)

    def _begin(self, session: Session, identity: Identity, now: datetime) -> None:
        """Refuse an answer that signed somebody in before. The insert decides any race.

        The lock comes before the user's row, as in each change of a user: else the two may wait for each other.
        """
        advisory_lock(session, LOCK)
        delete_expired(session, SpentChallenge, SpentChallenge.expires_at <= now)
        if not insert_once(session, SpentChallenge, digest=digest(identity.state), expires_at=identity.until):
            raise SignInRefused(FOREIGN)

    def _create(self, session: Session, by: Actor, identity: Identity, now: datetime) -> User:
        provider = identity.provider
        if not provider.create_users:
            raise SignInRefused(
                f"{provider.name} knows you, but no account here is linked to you: ask an operator for an invitation"
            )
        username = _read_username(identity)
        if session.scalar(select(exists().where(has_username(username)))):
            raise SignInRefused(
                f"an account has your username already: sign in to it and link {provider.name} on its page,"
                " or ask an operator"
            )
        user = User(
            id=new_id("usr"),
            username=username,
            email=_read_email(session, identity),
            display_name=_read_display_name(identity),
            created_at=now,
        )
        session.add(user)
        session.flush()
        record(session, by, f"{TARGET}.create", TARGET, user.id, now, username=username, provider=provider.name)
        add_link(session, by, user, provider.issuer, identity.subject, now)
        return user

    def _follow_groups(self, session: Session, by: Actor, user: User, identity: Identity, now: datetime) -> None:
        """Add the roles of the groups, and remove the roles of groups that the user has left."""
        provider = identity.provider
        names = sorted({name for group in identity.groups for name in provider.roles.get(group, ())})
        query = select(Role.id).where(Role.type == "user")
        wanted = [one for some in batches(names) for one in session.scalars(query.where(Role.name.in_(some)))]
        if sync_roles(session, user.id, provider.id, wanted):
            drop_dormant_scopes(session, by, now)
            roles = [role.name for role in user.roles]
            details = {"changed": ["roles"], "roles": roles, "provider": provider.name}
            record(session, by, f"{TARGET}.update", TARGET, user.id, now, **details)


def _find_link(session: Session, identity: Identity) -> IdentityLink | None:
    mine = IdentityLink.issuer == identity.provider.issuer, IdentityLink.subject == identity.subject
    return session.scalar(select(IdentityLink).where(*mine))


def _load(session: Session, user_id: str) -> User:
    """Return the user, locked: two sign-ins do not change the roles at the same time. Raises SignInRefused."""
    user = session.scalar(for_update(select(User).where(User.id == user_id), User))
    if user is None:  # deleted at the same moment
        raise SignInRefused(FOREIGN)
    return user


def _read_username(identity: Identity) -> str:
    try:
        return checked_username(identity.username)
    except Invalid:
        raise SignInRefused(
            f"{identity.provider.name} gives no username that can be used here: ask an operator"
        ) from None


def _read_email(session: Session, identity: Identity) -> str | None:
    """Return the verified address, unless it is not an address, or another user has it."""
    with suppress(Invalid):
        email = checked_email(identity.email)
        if email is not None and not session.scalar(select(exists().where(User.email_key == email_key(email)))):
            return email
    return None


def _read_display_name(identity: Identity) -> str:
    with suppress(Invalid):
        return optional_name(identity.display_name, "display_name")
    return ""
