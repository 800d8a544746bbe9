"""Which notices a user gets by mail, and in which language."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.outbox.notice_types import NOTICES
from app.actions.outbox.notices import ALWAYS_SENT
from app.clock import Clock
from app.database.statements import insert_once
from app.database.store import Store
from app.models import NoticePreference


@dataclass(frozen=True, slots=True)
class NoticeChoice:
    """A type of notice, and whether the user gets it; `fixed` ones cannot be turned off."""

    type: str
    sent: bool
    fixed: bool


class NoticePreferences:
    """Reads and changes what each user wants."""

    def __init__(self, store: Store, languages: Sequence[str], clock: Clock) -> None:
        self._store = store
        self._languages = languages
        self._clock = clock

    def choices(self, user_id: str) -> list[NoticeChoice]:
        """Return each type of notice, and whether the user gets it."""
        with self._store.reading() as session:
            row = session.get(NoticePreference, user_id)
            off = frozenset(row.turned_off if row else ())
        return [NoticeChoice(name, name not in off, name in ALWAYS_SENT) for name in NOTICES]

    def choose(self, actor: Actor, user_id: str, wanted: Collection[str]) -> None:
        """Turn on the wanted types and turn off the others; ALWAYS_SENT stays on."""
        off = sorted(set(NOTICES) - set(wanted) - ALWAYS_SENT)
        with self._store.transaction() as session:
            row = _locked(session, user_id)
            if row.turned_off != off:
                row.turned_off = off
                record(session, actor, "user.choose_notices", "user", user_id, self._clock(), turned_off=off)

    def remember_language(self, user_id: str, language: str) -> None:
        """Store the language of the pages that a user reads; that of the mail follows it."""
        if language not in self._languages:
            return
        with self._store.reading() as session:
            kept = session.scalar(select(NoticePreference.language).where(NoticePreference.user_id == user_id))
        if kept != language:
            with self._store.transaction() as session:
                _locked(session, user_id).language = language


def _locked(session: Session, user_id: str) -> NoticePreference:
    insert_once(session, NoticePreference, user_id=user_id, turned_off=[])
    return session.scalars(select(NoticePreference).filter_by(user_id=user_id).with_for_update()).one()
