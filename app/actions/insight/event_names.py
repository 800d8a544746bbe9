"""The names of what audit events mention by id: one query for each table, however many events there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, null, or_, select
from sqlalchemy.orm import Session

from app.clock import Clock
from app.credentials.kind import SecretKind
from app.database.statements import batches
from app.database.store import Store
from app.models import (
    AuditEvent,
    Client,
    FederatedCredential,
    IdentityProvider,
    Permission,
    Resource,
    Role,
    User,
    Webhook,
)
from app.models.user import has_username

LONGEST_KEY = 200  # characters; longer than any id
DETAILS = ("user", "client", "resource")  # details that mention an object of this type
Mention = tuple[str, str]  # the type of an object, and its id as events hold it


@dataclass(frozen=True, slots=True)
class NamedRow:
    """The name of an object now, its row, and the row that it belongs to, if any."""

    name: str
    id: str
    owner_type: str | None = None
    owner_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the objects of a type are; an event mentions one by the value of one of the `keys`."""

    rows: Any
    keys: tuple[Any, ...]
    name: Any
    id: Any
    owner_type: str | None = None
    owner_id: Any = None

    def find(self, session: Session, wanted: set[str]) -> Iterator[tuple[str, NamedRow]]:
        """Return the rows with these keys, each under its keys."""
        owner = null() if self.owner_id is None else self.owner_id
        query = select(self.name, self.id, owner, *self.keys).select_from(self.rows)
        for batch in batches(sorted(wanted)):
            mentioned = or_(*(key.in_(batch) for key in self.keys))
            for name, row_id, owner_id, *keys in session.execute(query.where(mentioned)):
                row = NamedRow(name, row_id, self.owner_type, owner_id)
                yield from ((key, row) for key in keys)


SOURCES = {  # besides the kinds of credentials
    "user": _Source(User, (User.id,), User.username, User.id),
    "client": _Source(Client, (Client.client_id,), Client.name, Client.id),
    "role": _Source(Role, (Role.id,), Role.name, Role.id),
    "resource": _Source(Resource, (Resource.id, Resource.identifier), Resource.name, Resource.id),
    "webhook": _Source(Webhook, (Webhook.id,), Webhook.name, Webhook.id),
    "identity_provider": _Source(IdentityProvider, (IdentityProvider.id,), IdentityProvider.name, IdentityProvider.id),
    "permission": _Source(
        Permission, (Permission.name,), Permission.name, Permission.id, "resource", Permission.resource_id
    ),
    "federated_credential": _Source(
        FederatedCredential,
        (FederatedCredential.id,),
        FederatedCredential.name,
        FederatedCredential.id,
        "client",
        FederatedCredential.client_id,
    ),
}


class EventNames:
    """Read the current names; an object that was deleted has none."""

    def __init__(self, store: Store, kinds: Sequence[SecretKind], clock: Clock) -> None:
        self._store = store
        self._kinds = kinds
        self._clock = clock

    def of(self, events: Iterable[AuditEvent]) -> Mapping[Mention, NamedRow]:
        """Return the names of everything that these events mention."""
        sources = SOURCES | dict(_sources_of(self._kinds, self._clock()))
        wanted: dict[str, set[str]] = defaultdict(set)
        for event in events:
            for type, key in _mentions(event):
                if type in sources and isinstance(key, str) and 0 < len(key) <= LONGEST_KEY and key.isprintable():
                    wanted[type].add(key)
        with self._store.reading() as session:
            found = ((type, sources[type].find(session, keys)) for type, keys in wanted.items())
            return {(type, key): row for type, rows in found for key, row in rows}

    def actor_of(self, name: str) -> str:
        """Return how events name the user of a username, or else the client of a name; the text itself for neither."""
        with self._store.reading() as session:
            user = session.scalar(select(User.id).where(has_username(name)).order_by(User.username != name).limit(1))
            return user or _client_of(session, name) or name


def _sources_of(kinds: Sequence[SecretKind], at: datetime) -> Iterator[tuple[str, _Source]]:
    """Return where the credentials of each kind are that are stored one by one."""
    for kind in kinds:
        one = kind.listing(at)
        if one is not None and one.revocable:
            yield kind.target, _Source(one.rows, (one.id,), one.name, one.id, one.owner_type, one.owner_row_id)


def _client_of(session: Session, name: str) -> str | None:
    mine: ColumnElement[bool] = or_(Client.client_id == name, Client.name == name)
    return session.scalar(select(Client.client_id).where(mine).order_by(Client.client_id != name, Client.id).limit(1))


def _mentions(event: AuditEvent) -> Iterator[tuple[str, Any]]:
    yield event.actor_type, event.actor
    yield event.target_type, event.target
    if isinstance(event.details, dict):
        yield from ((type, event.details.get(type)) for type in DETAILS)
