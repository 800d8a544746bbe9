"""Apps whose client_id is the https URL of a document about them (draft-ietf-oauth-client-id-metadata-document-02).

An app becomes a row at its first authorization request. The row counts until its document has to be fetched again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import SplitResult, unquote

from cachetools import LRUCache
from sqlalchemy import select

from app.actions.audit.actor import SERVER, Actor
from app.actions.audit.record import record
from app.actions.directory.app_metadata import LARGEST, AppMetadata, read_client_document
from app.actions.directory.app_rows import changed_members, delete_unused, metadata_of, write_metadata
from app.actions.directory.client_rows import CLIENTS
from app.actions.directory.uniqueness import translate_duplicates
from app.actions.limits.abuse import DOCUMENTS_OF_ADDRESS, NEW_APPS, AbuseLimits
from app.actions.trust.fetch_json import Fetched, FetchJson
from app.actions.trust.flights import Flights
from app.actions.trust.redirect_uris import is_web, split_uri
from app.clock import Clock
from app.database.store import Store
from app.database.types import new_id
from app.errors import BadDocument, Busy, Duplicate, Invalid, NotFound
from app.models import Client
from app.models.client import BY_DOCUMENT, LONGEST_ID
from app.settings.settings import Settings

TARGET = "client"
SHORTEST, USUAL, LONGEST = 60, 3_600, 86_400  # seconds for which a document is kept: its headers say how long
AGAIN = 10.0  # seconds until a document that could not be fetched may be asked for again
MOST_FAILED = 1_000  # URLs that are remembered for that time
TRY_AGAIN = 1  # seconds
SCHEMES = ("https://", "http://")
DOTS = (".", "..")
INVALID = "the client metadata document is not valid"


class ClientDocuments:
    """Keeps the rows of apps with metadata documents up to date."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        limits: AbuseLimits,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock
        self._is_on = settings.client_id_metadata == "on"
        self._private = settings.allow_private_jwks_uri
        self._fetch = FetchJson("a client metadata document", allow_private=self._private, largest=LARGEST)
        self._known, self._new = Flights(), Flights()  # strangers' URLs hold up no app that is known
        self._failures = _Failures(monotonic)

    def refresh(self, client_id: str, actor: Actor, *, discover: bool = False) -> None:
        """Fetch the document of an app when it is due; with `discover`, also of an app that is not known yet.

        Any other client_id, and a disabled app, are left alone. Raises BadDocument, TooManyRequests, Busy.
        """
        if not self._is_on or not client_id.startswith(SCHEMES) or not self.is_document_url(client_id):
            return
        kept = self._find(client_id)
        if kept is None and discover:
            self._limits.refuse_beyond(DOCUMENTS_OF_ADDRESS.at(actor.address))
            self._fetch_once(self._new, client_id, actor)
        elif kept is not None and kept.is_due(self._clock()):
            self._fetch_once(self._known, client_id, actor)

    def is_document_url(self, client_id: str) -> bool:
        """Return whether a client_id is the URL of a document (§3): https, with a path, without fragment and user.

        Plain http is allowed on loopback where private addresses are.
        """
        try:
            parts = split_uri(client_id, "client_id")
        except Invalid:
            return False
        has_scheme = parts.scheme == "https" or (self._private and parts.scheme == "http")
        return len(client_id) <= LONGEST_ID and has_scheme and is_web(parts) and _has_plain_path(parts)

    def _find(self, client_id: str) -> _Kept | None:
        query = select(Client.registered_by, Client.enabled, Client.document_until)
        with self._store.connection() as connection:
            row = connection.execute(query.where(Client.client_id == client_id)).one_or_none()
        return None if row is None else _Kept(row.registered_by, row.enabled, row.document_until)

    def _fetch_once(self, flights: Flights, url: str, actor: Actor) -> None:
        """Fetch a document, or wait for the thread that does; raise Busy when too many are being fetched."""
        self._failures.refuse_repetition(url)
        if not flights.start(url):
            flights.wait_for(url)
            if self._is_outdated(url):
                self._failures.refuse_repetition(url)
                raise Busy("too many client metadata documents are being fetched: try again", TRY_AGAIN)
            return
        try:
            if self._is_outdated(url):  # a fetch that has just ended may have brought it
                self._fetch_and_keep(url, actor)
        finally:
            flights.land(url)

    def _is_outdated(self, url: str) -> bool:
        kept = self._find(url)
        return kept is None or kept.is_due(self._clock())

    def _fetch_and_keep(self, url: str, actor: Actor) -> None:
        fetched = self._fetch(url)
        try:
            metadata = self._read(url, fetched)
            seconds = USUAL if fetched is None or fetched.lifetime is None else fetched.lifetime
            until = self._clock() + timedelta(seconds=min(max(seconds, SHORTEST), LONGEST))
            self._keep(url, metadata, until, actor)
        except (BadDocument, Invalid) as error:
            refusal = error if isinstance(error, BadDocument) else BadDocument(f"{INVALID}: {error}")
            self._failures.note(url, str(refusal))
            raise refusal from None

    def _read(self, url: str, fetched: Fetched | None) -> AppMetadata:
        """Return the metadata; raise BadDocument and Invalid (§4: `client_id` equals the URL as a string)."""
        if fetched is None:
            raise BadDocument("the client metadata document cannot be fetched: it must answer 200 with a JSON object")
        if fetched.document.get("client_id") != url:
            raise BadDocument("the client_id in the client metadata document differs from its URL")
        return read_client_document(fetched.document, private=self._private)

    def _keep(self, url: str, metadata: AppMetadata, until: datetime, actor: Actor) -> None:
        """Write the row; a document that another node wrote meanwhile is as good."""
        try:
            self._change(url, metadata, until)
        except NotFound:
            self._limits.refuse_beyond(NEW_APPS.of())
            with suppress(Duplicate), translate_duplicates("kept already"):
                self._add(url, metadata, until, actor)

    def _change(self, url: str, metadata: AppMetadata, until: datetime) -> None:
        with self._store.transaction() as session:
            row = CLIENTS.load(session, Client.client_id == url, Client.registered_by == BY_DOCUMENT, lock=True)
            before = metadata_of(row)
            write_metadata(session, row, metadata)
            row.document_until = until
            if changed := changed_members(before, row):
                record(session, SERVER, f"{TARGET}.update", TARGET, url, self._clock(), changed=changed)

    def _add(self, url: str, metadata: AppMetadata, until: datetime, actor: Actor) -> None:
        now = self._clock()
        with self._store.transaction() as session:
            delete_unused(session, BY_DOCUMENT, now)
            row = Client(id=new_id(TARGET), client_id=url, registered_by=BY_DOCUMENT, enabled=True, created_at=now)
            write_metadata(session, row, metadata)
            row.document_until = until
            session.add(row)
            record(session, actor, f"{TARGET}.register", TARGET, url, now, name=row.name)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A row with this client_id."""

    registered_by: str
    enabled: bool
    until: datetime | None

    def is_due(self, now: datetime) -> bool:
        """Return whether the document has to be fetched again: never that of a disabled app."""
        return self.registered_by == BY_DOCUMENT and self.enabled and (self.until is None or self.until <= now)


class _Failures:
    """The URLs that failed a moment ago: they are not asked for again at once."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failed: LRUCache[str, tuple[float, str]] = LRUCache(MOST_FAILED)
        self._lock = threading.Lock()

    def note(self, url: str, message: str) -> None:
        with self._lock:
            self._failed[url] = self._monotonic(), message

    def refuse_repetition(self, url: str) -> None:
        """Raise BadDocument as the last attempt did, while it is too early for another."""
        with self._lock:
            failed_at, message = self._failed.get(url, (float("-inf"), ""))
        if self._monotonic() - failed_at < AGAIN:
            raise BadDocument(message)


def _has_plain_path(parts: SplitResult) -> bool:
    return bool(parts.path) and not any(unquote(segment) in DOTS for segment in parts.path.split("/"))
