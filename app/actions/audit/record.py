"""Record an audit event in the transaction of the change that it describes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.audit.chain import append_at_commit

SEVERAL = "several"  # the target of an event that counts attempts on more than one target


def record(
    session: Session, actor: Actor, action: str, target_type: str, target: str, at: datetime, **details: object
) -> None:
    """Add the event to the end of the caller's transaction; `details` are names, ids and numbers, never a secret.

    Raise Invalid for a value that does not fit its column.
    """
    append_at_commit(
        session,
        at=at,
        actor_type=actor.type,
        actor=actor.id,
        actor_name=actor.name,
        action=action,
        target_type=target_type,
        target=target,
        address=actor.address,
        request_id=actor.request_id,
        details=_origin_of(actor) | details,
    )


def _origin_of(actor: Actor) -> dict[str, object]:
    """Return the credential that was used, and the app that used it for a user."""
    through = {"via": actor.credential_id, "app": actor.client_id}
    return {name: value for name, value in through.items() if value}
