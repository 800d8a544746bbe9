"""A document of the authorization server, fetched and kept: its signed key set, and its status lists.

A `Document` knows how old its copy is and may be; it does no input or output. The transports fetch it, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from .errors import ServiceUnavailable
from .steps import HttpRequest, HttpResponse, Steps

T = TypeVar("T")
RETRY_PAUSE = 1.0  # seconds between two attempts while the server does not answer
USED_FOR = 60.0  # seconds after its last use in which a document is refreshed in the background
FRESH = {"Cache-Control": "no-cache"}  # a shared cache on the way would make a copy older than it says
REFRESH_AT = 0.6  # of the age at which a copy is old: the background fetches it before


class Unreadable(Exception):
    """The response of the server is not the document that it should be."""


@dataclass(frozen=True)
class Content(Generic[T]):
    """What a response says: a value, for how many seconds it is new, and when it ends at the latest."""

    value: T
    fresh_for: float
    expires_at: float = float("inf")  # seconds since 1970


@dataclass(frozen=True)
class _Copy(Generic[T]):
    content: Content[T]
    fetched_at: float  # when it was asked for: what the server changed after that is not in it
    etag: str


class Document(Generic[T]):
    """Keep one document. `usable_for` is how many seconds a copy serves while the server does not answer."""

    def __init__(
        self,
        url: str,
        read: Callable[[HttpResponse], Steps[Content[T]]],
        usable_for: Callable[[Content[T]], float],
        now: Callable[[], float],
    ) -> None:
        """Take where it is, how a response is read, and the clock."""
        self._url = url
        self._read = read
        self._usable_for = usable_for
        self._now = now
        self._copy: _Copy[T] | None = None
        self._failed_at: float | None = None  # None: the last attempt succeeded
        self._used_at = float("-inf")

    def value(self) -> T:
        """Return the copy's value; raise ServiceUnavailable if there is none that may be used."""
        copy = self._copy
        if copy is None or not self._is_usable(copy):
            raise ServiceUnavailable
        return copy.content.value

    def is_due(self, older_than: float | None = None) -> bool:
        """Return whether to fetch it now: there is no copy or an old one, and no attempt failed a moment ago."""
        return self._is_old(older_than) and not self._failed_recently()

    def can_wait(self) -> bool:
        """Return whether a call can use the copy, while another fetches from a server that did not answer before."""
        copy = self._copy
        return self._failed_at is not None and copy is not None and self._is_usable(copy)

    def mark_used(self) -> None:
        """Have it refreshed in the background for a minute from now on."""
        self._used_at = self._now()

    def is_used(self) -> bool:
        """Return whether it was used within the last minute."""
        return 0 <= self._now() - self._used_at < USED_FOR

    def refresh_in(self) -> float:
        """Return after how many seconds the background fetches it."""
        if self._failed_at is not None:
            return max(0.0, self._failed_at + RETRY_PAUSE - self._now())
        copy = self._copy
        return 0.0 if copy is None else max(0.0, copy.fetched_at + self._refresh_age(copy) - self._now())

    def is_old_for_background(self) -> bool:
        """Return whether the background fetches it now, before a call has to wait for it."""
        copy = self._copy
        return self.is_due(None if copy is None else self._refresh_age(copy))

    def refresh(self) -> Steps[None]:
        """Fetch it, and keep what came; keep the old copy if nothing good came."""
        asked_at, copy = self._now(), self._copy
        known = copy if copy is not None and self._is_worth_asking_about(copy) else None
        headers = FRESH | ({"If-None-Match": known.etag} if known else {})
        response: HttpResponse | None = yield HttpRequest(self._url, headers=headers)
        try:
            self._copy = yield from self._take(response, asked_at, known)
            self._failed_at = None
        except (Unreadable, ServiceUnavailable):
            self._failed_at = self._now()

    def _take(self, response: HttpResponse | None, asked_at: float, known: _Copy[T] | None) -> Steps[_Copy[T]]:
        """Return the copy that a response makes."""
        if response is None:
            raise Unreadable
        if response.status == 304 and known is not None:
            return replace(known, fetched_at=asked_at)
        if response.status != 200:
            raise Unreadable
        content = yield from self._read(response)
        return _Copy(content, asked_at, response.etag)

    def _age(self, copy: _Copy[T]) -> float:
        """Return the age in seconds; a clock that was set back makes a copy old."""
        age = self._now() - copy.fetched_at
        return age if age >= 0 else float("inf")

    def _refresh_age(self, copy: _Copy[T]) -> float:
        return copy.content.fresh_for * REFRESH_AT

    def _is_old(self, older_than: float | None) -> bool:
        copy = self._copy
        if copy is None or self._now() >= copy.content.expires_at:
            return True
        return self._age(copy) >= (copy.content.fresh_for if older_than is None else older_than)

    def _is_usable(self, copy: _Copy[T]) -> bool:
        oldest = max(copy.content.fresh_for, self._usable_for(copy.content))
        return self._age(copy) < oldest and self._now() < copy.content.expires_at

    def _is_worth_asking_about(self, copy: _Copy[T]) -> bool:
        """Return whether "not changed" would be of use: a copy that soon ends is fetched whole."""
        return bool(copy.etag) and self._now() + 2 * copy.content.fresh_for + 60 < copy.content.expires_at

    def _failed_recently(self) -> bool:
        return self._failed_at is not None and 0 <= self._now() - self._failed_at < RETRY_PAUSE
