"""Revoke many credentials of any kinds by their ids: all of them or none, with an audit event for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.directory.fields import Word
from app.clock import Clock
from app.credentials.kind import SecretKind
from app.database.statements import batches
from app.database.store import Store
from app.errors import FieldError, Forbidden, Invalid

MOST_REVOKED = 1000
UNKNOWN = "is not the id of a token, an API key or a client secret"
RevokeAll = Callable[[Session, Actor, Sequence[str], datetime], int]


@dataclass(frozen=True, slots=True)
class CredentialIds:
    """The credentials to revoke, as the list of all credentials names them."""

    ids: Annotated[tuple[Word, ...], Field(min_length=1, max_length=MOST_REVOKED)]


@dataclass(frozen=True, slots=True)
class Revoker:
    """How a kind is revoked within a transaction, and the scope that its own revocation needs."""

    scope: str
    revoke_all: RevokeAll


class RevokeMany:
    """Revokes by the directory's actions, one for each kind."""

    def __init__(
        self, store: Store, kinds: Sequence[SecretKind], revokers: Mapping[str, Revoker], clock: Clock
    ) -> None:
        self._store = store
        self._kinds = kinds
        self._revokers = revokers
        self._clock = clock

    def __call__(self, actor: Actor, ids: Sequence[str]) -> int:
        """Revoke all of these, and return how many were not revoked before.

        Raises Invalid (an id of none, of one that cannot be revoked, too many), Forbidden and Conflict: then nothing
        is revoked.
        """
        if not 1 <= len(ids) <= MOST_REVOKED:
            raise Invalid.field("ids", f"must be 1 to {MOST_REVOKED} ids")
        now = self._clock()
        with self._store.transaction() as session:
            found = self._find(session, sorted(set(ids)), now)
            _refuse_others(ids, found)
            return sum(self._revoke(session, actor, name, some, now) for name, some in found.items() if some)

    def _find(self, session: Session, ids: Sequence[str], at: datetime) -> dict[str, list[str]]:
        """Return which of the ids each kind has."""
        listings = [(kind.target, kind.listing(at)) for kind in self._kinds]
        return {
            target: [
                row_id
                for batch in batches(ids)
                for row_id in session.scalars(select(one.id).select_from(one.rows).where(one.id.in_(batch)))
            ]
            for target, one in listings
            if one is not None and one.revocable and target in self._revokers
        }

    def _revoke(self, session: Session, actor: Actor, target: str, ids: Sequence[str], at: datetime) -> int:
        revoker = self._revokers[target]
        if not actor.holds(revoker.scope):
            raise Forbidden(f"to revoke this needs the scope {revoker.scope}: {ids[0]}", scope=revoker.scope)
        return revoker.revoke_all(session, actor, ids, at)


def _refuse_others(ids: Sequence[str], found: Mapping[str, Sequence[str]]) -> None:
    """Raise Invalid for the ids that no kind has."""
    known = {row_id for some in found.values() for row_id in some}
    unknown = [FieldError(f"ids.{place}", UNKNOWN) for place, row_id in enumerate(ids) if row_id not in known]
    if unknown:
        raise Invalid(*unknown)
