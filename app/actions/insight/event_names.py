"""The names of what audit events mention by id: one query for each table, however many events there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.database.statements import batches
from app.database.store import Store
from app.models import (
    ApiKey,
    AuditEvent,
    Client,
    ClientSecret,
    FederatedCredential,
    Permission,
    PersonalAccessToken,
    Resource,
    Role,
    User,
)
from app.models.user import has_username

LONGEST_KEY = 200  # characters; longer than any id
DETAILS = ("user", "client", "resource")  # details that mention an object of this type
Text = InstrumentedAttribute[str]
Mention = tuple[str, str]  # the type of an object, and its id as events hold it


@dataclass(frozen=True, slots=True)
class NamedRow:
    """The name of an object now, and the row whose page shows it."""

    name: str
    page_type: str
    page_id: str


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the objects of a type are; an event mentions one by the value of one of the `keys`."""

    keys: tuple[Text, ...]
    name: Text
    page_type: str
    page_id: Text

    def find(self, session: Session, wanted: set[str]) -> Iterator[tuple[str, NamedRow]]:
        """Return the rows with these keys, each under its keys."""
        columns = (self.name, self.page_id, *self.keys)
        for batch in batches(sorted(wanted)):
            mentioned = or_(*(key.in_(batch) for key in self.keys))
            for name, page_id, *keys in session.execute(select(*columns).where(mentioned)):
                row = NamedRow(name, self.page_type, page_id)
                yield from ((key, row) for key in keys)


SOURCES = {
    "user": _Source((User.id,), User.username, "user", User.id),
    "client": _Source((Client.client_id,), Client.name, "client", Client.id),
    "role": _Source((Role.id,), Role.name, "role", Role.id),
    "resource": _Source((Resource.id, Resource.identifier), Resource.name, "resource", Resource.id),
    "permission": _Source((Permission.name,), Permission.name, "resource", Permission.resource_id),
    "api_key": _Source((ApiKey.id,), ApiKey.name, "api_key", ApiKey.id),
    "personal_access_token": _Source(
        (PersonalAccessToken.id,), PersonalAccessToken.name, "user", PersonalAccessToken.user_id
    ),
    "client_secret": _Source((ClientSecret.id,), ClientSecret.name, "client", ClientSecret.client_id),
    "federated_credential": _Source(
        (FederatedCredential.id,), FederatedCredential.name, "client", FederatedCredential.client_id
    ),
}


class EventNames:
    """Read the current names; an object that was deleted has none."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, events: Iterable[AuditEvent]) -> Mapping[Mention, NamedRow]:
        """Return the names of everything that these events mention."""
        wanted: dict[str, set[str]] = defaultdict(set)
        for event in events:
            for type, key in _mentions(event):
                if type in SOURCES and isinstance(key, str) and 0 < len(key) <= LONGEST_KEY and key.isprintable():
                    wanted[type].add(key)
        with self._store.reading() as session:
            found = ((type, SOURCES[type].find(session, keys)) for type, keys in wanted.items())
            return {(type, key): row for type, rows in found for key, row in rows}

    def actor_of(self, name: str) -> str:
        """Return how events name the user of a username, or else the client of a name; the text itself for neither."""
        with self._store.reading() as session:
            user = session.scalar(select(User.id).where(has_username(name)).order_by(User.username != name).limit(1))
            return user or _client_of(session, name) or name


def _client_of(session: Session, name: str) -> str | None:
    mine: ColumnElement[bool] = or_(Client.client_id == name, Client.name == name)
    return session.scalar(select(Client.client_id).where(mine).order_by(Client.client_id != name, Client.id).limit(1))


def _mentions(event: AuditEvent) -> Iterator[tuple[str, Any]]:
    yield event.actor_type, event.actor
    yield event.target_type, event.target
    if isinstance(event.details, dict):
        yield from ((type, event.details.get(type)) for type in DETAILS)
