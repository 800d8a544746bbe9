"""What a user is asked before an app may act for them, and what they agreed to (RFC 6749 §4.1.1)."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.delegation import within_ceiling
from app.access.rbac import grants_of_user
from app.access.scopes import Grants, Scopes
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.sign_in.clients import KnownClient
from app.actions.tokens.issue import choose, parse_scope
from app.clock import Clock
from app.database.statements import insert_once
from app.database.store import Store
from app.database.types import new_id
from app.errors import Invalid, InvalidScope
from app.models import Consent, ConsentScope, Permission, Resource

OPENID = "openid"  # there is no ID token: the scope is left out of what is granted
LOG = logging.getLogger("latchkey.delegation")


@dataclass(frozen=True, slots=True)
class AskedScope:
    """A scope that an app asks for; `agreed` says whether the user agreed to it before."""

    name: str
    description: str
    resource: str  # its identifier
    resource_name: str
    agreed: bool


@dataclass(frozen=True, slots=True)
class ConsentQuestion:
    """What an app asks of a user; `needed` is False where the user agreed to all of it before."""

    client: KnownClient
    scopes: tuple[AskedScope, ...]
    audience: tuple[str, ...]
    needed: bool


class Consents:
    """Ask a user for what an app wants, and remember the answer."""

    def __init__(self, store: Store, management_identifier: str, clock: Clock) -> None:
        self._store = store
        self._management = management_identifier
        self._clock = clock

    def question(
        self, user_id: str, client: KnownClient, scope: str | None, resources: Sequence[str]
    ) -> ConsentQuestion:
        """Choose scopes and audience as for a client's own token, from what the user's roles give now.

        Raises InvalidScope and InvalidTarget (RFC 6749 §4.1.2.1, RFC 8707 §2).
        """
        with self._store.reading() as session:
            given = within_ceiling(grants_of_user(session, user_id), client.scopes, self._management)
            if not given.by_resource:
                raise InvalidScope("the user's roles give no scope that this app may have")
            chosen = choose(given, without_openid(scope), resources)
            agreed = _agreed_scopes(session, user_id, client.row_id)
            asked = tuple(_asked_scopes(session, chosen, agreed))
        needed = not asked or not all(one.agreed for one in asked)
        return ConsentQuestion(client, asked, tuple(chosen.by_resource), needed)

    def agreed(self, question: ConsentQuestion) -> Grants:
        """Return all that a question asks for, to which the user agreed before."""
        return _granted(question, {one.name for one in question.scopes})

    def agree(self, actor: Actor, question: ConsentQuestion, chosen: Collection[str]) -> Grants:
        """Remember which of the scopes the user agreed to, and return what the app gets.

        Raises Invalid for none of them, and for one that the question does not ask for.
        """
        asked, now = {one.name for one in question.scopes}, self._clock()
        if not set(chosen) <= asked or (asked and not chosen):
            raise Invalid.field("scopes", "choose at least one of the permissions, or refuse")
        with self._store.transaction() as session:
            consent_id = _open_consent(session, actor.id, question.client.row_id, now)
            for permission in session.scalars(select(Permission.id).where(Permission.name.in_(chosen))):
                insert_once(session, ConsentScope, consent_id=consent_id, permission_id=permission)
            client_id, scopes = question.client.client_id, sorted(chosen)
            record(session, actor, "consent.give", "client", client_id, now, scopes=scopes)
        return _granted(question, set(chosen))


def without_openid(scope: str | None) -> str | None:
    """Leave `openid` out of a request; raises InvalidScope when nothing else was asked for."""
    asked = parse_scope(scope)
    if asked is None or OPENID not in asked:
        return scope
    rest = asked - Scopes.of(OPENID)
    if not rest:
        raise InvalidScope("the scope openid is not granted: there is no ID token; ask for the scopes of an API")
    LOG.info("the scope openid was asked for and left out")
    return str(rest)


def _granted(question: ConsentQuestion, chosen: set[str]) -> Grants:
    """Return the chosen scopes; a resource that loses all of its scopes goes, one that has none stays."""
    asked: dict[str, set[str]] = {identifier: set() for identifier in question.audience}
    for one in question.scopes:
        asked[one.resource].add(one.name)
    kept = {i: names & chosen for i, names in asked.items() if not names or names & chosen}
    return Grants({i: Scopes(frozenset(names)) for i, names in kept.items()})


def _agreed_scopes(session: Session, user_id: str, client_row_id: str) -> set[str]:
    query = select(Permission.name).join(ConsentScope, ConsentScope.permission_id == Permission.id)
    query = query.join(Consent, Consent.id == ConsentScope.consent_id)
    return set(session.scalars(query.where(Consent.user_id == user_id, Consent.client_id == client_row_id)))


def _asked_scopes(session: Session, chosen: Grants, agreed: set[str]) -> list[AskedScope]:
    query = select(Permission.name, Permission.description, Resource.identifier, Resource.name)
    query = query.join(Resource, Resource.id == Permission.resource_id)
    query = query.where(Resource.identifier.in_(chosen.by_resource)).order_by(Resource.name, Permission.name)
    rows = session.execute(query)
    return [AskedScope(*row, row[0] in agreed) for row in rows if row[0] in chosen.by_resource[row[2]]]


def _open_consent(session: Session, user_id: str, client_row_id: str, now: datetime) -> str:
    """Return the id of the user's consent for a client, made now if there is none."""
    mine = select(Consent).where(Consent.user_id == user_id, Consent.client_id == client_row_id)
    made = {"user_id": user_id, "client_id": client_row_id, "created_at": now, "updated_at": now}
    insert_once(session, Consent, id=new_id("cns"), **made)
    row = session.scalars(mine).one()
    row.updated_at = now
    return row.id
