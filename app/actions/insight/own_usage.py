"""Whose uses a user may read: the uses of their own tokens, and of the apps that they let act for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select, union_all
from sqlalchemy.orm import Session

from app.models import AppGrant, Client, Consent, PersonalAccessToken


@dataclass(frozen=True, slots=True)
class Own:
    """What this id names among the things of this user: a token, a grant, or an app with all of its grants.

    An app is named by its id or its client_id.
    """

    user_id: str
    id: str


def select_own(own: Own) -> Any:
    """Return the query of the rows that are counted: none if nothing of the user has this id."""
    token, grant = PersonalAccessToken, AppGrant
    tokens = select(token.id).where(token.user_id == own.user_id, token.id == own.id)
    named = or_(grant.id == own.id, grant.client_id.in_(_clients(own)))
    return union_all(tokens, select(grant.id).where(grant.user_id == own.user_id, named))


def is_app_of(session: Session, own: Own) -> bool:
    """Return whether the user allows this app, which may have no grant any more."""
    mine = Consent.user_id == own.user_id, Consent.client_id.in_(_clients(own))
    return session.scalar(select(Consent.id).where(*mine).limit(1)) is not None


def _clients(own: Own) -> Any:
    return select(Client.id).where(or_(Client.id == own.id, Client.client_id == own.id))
