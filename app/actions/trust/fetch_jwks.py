"""Fetch public keys from a jwks_uri or an issuer's discovery document, and keep them while they are fresh."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from cachetools import LRUCache

from app.actions.trust.fetch_json import PATIENCE, FetchJson
from app.actions.trust.flights import Flights
from app.actions.trust.registration import LONGEST_URI

FRESH = 300.0  # seconds for which a response is used
AGAIN = 30.0  # seconds after which another unknown kid, or a failure, may cause another fetch
MAX_CACHED = 1_000  # responses
DISCOVERY = "/.well-known/openid-configuration"
Keys = Mapping[str, Any]
Check = Callable[[Keys | None], bool]


@dataclass(frozen=True, slots=True)
class _Cached:
    asked_at: float
    fetched_at: float  # earlier than asked_at, if later attempts failed
    document: Keys | None  # None: it could not be fetched
    pressed_at: float  # when an unknown kid last caused a fetch, or was not in what was fetched

    def younger_than(self, age: float, now: float) -> Keys | None:
        """Return the document unless it has reached this age."""
        return self.document if now - self.fetched_at < age else None


NEVER = _Cached(float("-inf"), float("-inf"), None, float("-inf"))


class FetchJwks:
    """Fetches the JWK set of a URI, and caches it while it is fresh.

    One thread fetches a URI at a time. A few others wait briefly for it, the rest get the cached set, or None.
    """

    def __init__(
        self,
        *,
        allow_private: bool,
        patience: float = PATIENCE,
        monotonic: Callable[[], float] = time.monotonic,
        what: str = "keys of a client",
    ) -> None:
        """Take whether private addresses, and plain http to them, are allowed (ALLOW_PRIVATE_JWKS_URI).

        `patience` is the number of seconds for connecting and reading together; `what` names the fetches in the log.
        """
        self._fetch_json = FetchJson(what, allow_private=allow_private, patience=patience)
        self._monotonic = monotonic
        self._cache: LRUCache[str, _Cached] = LRUCache(MAX_CACHED)
        self._flights = Flights()

    def __call__(self, uri: str, kid: str | None, may_fetch: Callable[[], bool] = lambda: True) -> Keys | None:
        """Return the set, fetched again when it is old or lacks `kid`; None when it cannot be fetched.

        `may_fetch` is called before a fetch; when it returns False, only the cache is used.
        """
        found = self._document(uri, _is_set, partial(_has_key, kid), may_fetch)
        return found if _is_set(found) else None

    def discover(self, issuer: str, may_fetch: Callable[[], bool] = lambda: True) -> str | None:
        """Return the jwks_uri of an issuer (OpenID Connect Discovery §4); None when it names another issuer (§4.3)."""
        found = self.describe(issuer, may_fetch)
        keys = None if found is None else found.get("jwks_uri")
        return keys if isinstance(keys, str) and len(keys) <= LONGEST_URI else None

    def describe(self, issuer: str, may_fetch: Callable[[], bool] = lambda: True) -> Keys | None:
        """Return an issuer's metadata (OpenID Connect Discovery §4); None when it names another issuer (§4.3)."""
        uri = f"{issuer.removesuffix('/')}{DISCOVERY}"
        is_good = partial(_names_issuer, issuer)
        found = self._document(uri, is_good, is_good, may_fetch)
        return found if is_good(found) else None

    def _document(self, uri: str, is_good: Check, suffices: Check, may_fetch: Callable[[], bool]) -> Keys | None:
        with self._flights.lock:
            cached = self._cache.get(uri, NEVER)
        now = self._monotonic()
        fresh = cached.younger_than(FRESH, now)
        asked_at = cached.pressed_at if is_good(fresh) else cached.asked_at  # a new key is fetched as soon as it signs
        if suffices(fresh) or now - asked_at < AGAIN:
            return fresh
        if self._flights.is_busy(uri) or not may_fetch() or not self._start_fetch(uri, cached):
            with self._flights.lock:  # the oldest set that a fetch which started in time may still replace
                self._flights.wait_for(uri)
                return self._cache.get(uri, NEVER).younger_than(FRESH + PATIENCE, now)
        try:
            return self._fetch_and_cache(uri, is_good, suffices, now)
        finally:
            self._flights.land(uri)

    def _start_fetch(self, uri: str, cached: _Cached) -> bool:
        """Reserve the fetch of this URI; return False when too many run, or the cache changed meanwhile."""
        return self._flights.start(uri, lambda: self._cache.get(uri, NEVER) is cached)

    def _fetch_and_cache(self, uri: str, is_good: Check, suffices: Check, now: float) -> Keys | None:
        """Fetch the document; a failure keeps the cached one, because an unknown kid must not disable good keys."""
        document = self._fetch(uri)
        with self._flights.lock:
            cached = self._cache.get(uri, NEVER)
            had_good = is_good(cached.younger_than(FRESH, now))
            pressed_at = now if had_good or not suffices(document) else cached.pressed_at
            fetched = _Cached(now, now, document, pressed_at)
            if had_good and not is_good(document):
                fetched = replace(cached, asked_at=now, pressed_at=now)
            self._cache[uri] = fetched
        return fetched.document

    def _fetch(self, uri: str) -> Keys | None:
        fetched = self._fetch_json(uri)
        return None if fetched is None else fetched.document


def _names_issuer(issuer: str, document: Keys | None) -> bool:
    return document is not None and document.get("issuer") == issuer


def _is_set(document: Keys | None) -> bool:
    return document is not None and isinstance(document.get("keys"), list)


def _has_key(kid: str | None, keys: Keys | None) -> bool:
    if keys is None or not _is_set(keys):
        return False
    return kid is None or any(isinstance(key, dict) and key.get("kid") == kid for key in keys["keys"])
