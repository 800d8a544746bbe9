"""Notices: what happened to a credential or an account, to webhooks that subscribe and, by mail, to its user."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.actions.outbox.enqueue import MAIL, Notice, enqueue, notify_webhooks
from app.credentials.kind import Description
from app.models import NoticePreference, User

EXPIRING, UNUSED, LEAKED = "credential.expiring", "credential.unused", "credential.leaked"
REUSED, NEW_PLACE = "credential.reused", "sign_in.new_place"
FACTORS_CHANGED, RECOVERY_USED = "second_factor.changed", "recovery_code.used"
LINKS_CHANGED = "linked_account.changed"
ALWAYS_SENT = frozenset({LEAKED, FACTORS_CHANGED, RECOVERY_USED, LINKS_CHANGED})  # which nobody can turn off


class Notices:
    """Writes notices in the transaction of the change that they report."""

    def __init__(self, *, mails: bool) -> None:
        """Take whether this server sends mail (SMTP_URL)."""
        self._mails = mails

    def notify_expiring(self, session: Session, found: Description, at: datetime, days: int) -> None:
        """Report that a credential ends within so many days."""
        self._notify(session, EXPIRING, found, at, days_left=days)

    def notify_unused(self, session: Session, found: Description, at: datetime, days: int) -> None:
        """Report that a credential was not used for so many days."""
        self._notify(session, UNUSED, found, at, days_unused=days)

    def notify_leaked(self, session: Session, found: Description, at: datetime) -> None:
        """Report that a credential was found in public, and is revoked."""
        self._notify(session, LEAKED, found, at)

    def notify_reused(
        self, session: Session, found: Description, at: datetime, *, address: str | None, ended: bool
    ) -> None:
        """Report by mail that a secret was used after it had been replaced; `ended`: the credential was revoked for it.

        Webhooks are sent the audit event of the same name.
        """
        data = describe_credential(found) | {"address": address, "revoked": ended}
        self._mail(session, Notice(REUSED, found.id or "", data, at), _user_of(found))

    def notify_new_place(
        self, session: Session, user_id: str, username: str, address: str | None, at: datetime
    ) -> None:
        """Report that a user signed in from an address that was not known."""
        self._send(session, Notice(NEW_PLACE, user_id, _of_user(user_id, username, address), at), user_id)

    def notify_factors(self, session: Session, user_id: str, username: str, address: str | None, at: datetime) -> None:
        """Report that a second factor was added, removed or reset."""
        self._send(session, Notice(FACTORS_CHANGED, user_id, _of_user(user_id, username, address), at), user_id)

    def notify_links(self, session: Session, user_id: str, username: str, address: str | None, at: datetime) -> None:
        """Report that an account at an identity provider was linked to a user, or is not linked any more."""
        self._send(session, Notice(LINKS_CHANGED, user_id, _of_user(user_id, username, address), at), user_id)

    def notify_recovery_code(
        self, session: Session, user_id: str, username: str, address: str | None, at: datetime
    ) -> None:
        """Report that a recovery code was used."""
        self._send(session, Notice(RECOVERY_USED, user_id, _of_user(user_id, username, address), at), user_id)

    def _notify(self, session: Session, type_: str, found: Description, at: datetime, **more: object) -> None:
        self._send(session, Notice(type_, found.id or "", describe_credential(found) | more, at), _user_of(found))

    def _send(self, session: Session, notice: Notice, user_id: str | None) -> None:
        notify_webhooks(session, notice)
        self._mail(session, notice, user_id)

    def _mail(self, session: Session, notice: Notice, user_id: str | None) -> None:
        if self._mails and user_id is not None and _wants(session, user_id, notice.type):
            enqueue(session, MAIL, user_id, notice)


def describe_credential(found: Description) -> dict[str, Any]:
    """Return what a notice says of a credential: nothing that it could be used by."""
    return {
        "credential_id": found.id,
        "credential_type": found.credential_type,
        "target_type": found.target,
        "name": found.name,
        "hint": found.hint,
        "owner_type": found.owner_type,
        "owner_id": found.owner_id,
        "owner_name": found.owner_name,
        "created_at": _write(found.created_at),
        "expires_at": _write(found.expires_at),
        "last_used_at": _write(found.last_used_at),
    }


def _of_user(user_id: str, username: str, address: str | None) -> dict[str, str | None]:
    return {"user_id": user_id, "username": username, "address": address}


def _user_of(found: Description) -> str | None:
    return found.owner_row_id if found.owner_type == "user" else None


def _wants(session: Session, user_id: str, type_: str) -> bool:
    """Return whether the user can get mail, and did not turn this type off."""
    query = select(User.id, NoticePreference.turned_off).outerjoin(NoticePreference)
    row = session.execute(query.where(User.id == user_id, User.enabled, User.email.is_not(None))).one_or_none()
    return row is not None and (type_ in ALWAYS_SENT or type_ not in (row.turned_off or ()))


def _write(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
