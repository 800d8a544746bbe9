"""End what a user holds whom the organisation's directory has disabled: sign-ins, tokens, grants, codes and links.

They stay ended when the directory enables the user again. A user whom an operator disables gets theirs back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.sign_in.sessions import end_sessions
from app.models import AppGrant, AuthorizationCode, DeviceCode, OneTimeLink, PersonalAccessToken

REASON = "its user was disabled by the organisation's directory"


def end_everything(session: Session, actor: Actor, user_id: str, at: datetime) -> None:
    """End it all in the caller's transaction, which has locked the user; each token and grant has its event."""
    end_sessions(session, user_id)
    for table in (AuthorizationCode, DeviceCode, OneTimeLink):
        session.execute(delete(table).where(table.user_id == user_id))
    for token_id in _revoke(session, PersonalAccessToken, user_id, at, name_held=False):
        record(session, actor, "personal_access_token.revoke", "personal_access_token", token_id, at, user=user_id)
    for grant_id in _revoke(session, AppGrant, user_id, at):
        record(session, actor, "grant.revoke", "grant", grant_id, at)


def _revoke(
    session: Session, table: type[PersonalAccessToken | AppGrant], user_id: str, at: datetime, **more: object
) -> Sequence[str]:
    """Revoke the rows of a user, in the order in which others lock them; return their ids."""
    mine = select(table.id).where(table.user_id == user_id, table.revoked_at.is_(None))
    found = session.scalars(mine.order_by(table.id).with_for_update()).all()
    ended = update(table).where(table.user_id == user_id, table.revoked_at.is_(None))
    ended = ended.values(revoked_at=at, revoked_reason=REASON, **more)
    session.execute(ended.execution_options(synchronize_session=False))
    return found
