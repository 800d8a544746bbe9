"""Limits against guessing and flooding. Only failures count, except in the last nine rows.

| failure | counted per | above the limit |
| --- | --- | --- |
| password | username and address | every sign-in as that user from that address is 429 |
| password | address; username | 429, except for users who recently signed in from that address |
| one-time code | user; address | 429 |
| recovery code | user and address | 429 |
| client authentication | address; client and address | a failure is 429 without an audit event; a valid secret passes |
| credential | address | a failure is 429; a valid credential passes |
| one-time link | address | 429 |
| sign-in, or logout, that an identity provider did not send so | address | 429 |
| user code of a device | user and address | 429 |
| leak report | address: each report, and each credential in it | 429 |
| change of one's own password | user | 429 |
| request for a link to set a password | address; name | 429; no mail |
| authorization of an app | user | 429 |
| device authorization request | address | 429 |
| app that registers itself, with `REGISTRATION` `open` | address; all of them, with metadata documents | 429 |
| change that an app makes to its registration | app | 429 |
| client metadata document that is not known yet | address; all of them, when it is valid | 429 |
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address, ip_network
from math import ceil

from cachetools import LRUCache
from sqlalchemy.exc import SQLAlchemyError

from app.actions.limits.windows import Limiter, Window
from app.clock import Clock
from app.errors import TooManyRequests

REMEMBERED = 10_000  # spent windows that a process knows without a query
IPV6_NETWORK = 64  # bits: the network of one subscriber, who may use any address in it
WAIT = "too many failed attempts: try again later"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` in a window of `window_seconds`."""

    name: str
    most: int
    window_seconds: int

    def of(self, *parts: str | None) -> Counter:
        """Return the counter of these names and addresses, of which only a digest is stored."""
        text = "\n".join(part or "" for part in parts).encode("utf-8", "surrogatepass")
        return Counter(self, f"abuse:{self.name}:{sha256(text).hexdigest()}")

    def at(self, address: str | None, *parts: str) -> Counter:
        """Return the counter of these names at an address, which counts as its neighbourhood."""
        return self.of(*parts, neighbourhood(address))


@dataclass(frozen=True, slots=True)
class Counter:
    """A limit for one caller, name or address."""

    limit: Limit
    key: str
    amount: int = 1

    def times(self, amount: int) -> Counter:
        """Return the counter with this amount per count."""
        return replace(self, amount=amount)


PASSWORD = Limit("password", 20, 60)  # of one username at one address
PASSWORDS_OF_ADDRESS = Limit("passwords-of-address", 100, 300)
PASSWORDS_OF_USERNAME = Limit("passwords-of-username", 100, 300)
FACTORS = Limit("factors", 10, 300)  # one-time codes of one user who gave the password
FACTORS_OF_DAY = Limit("factors-of-day", 50, 86_400)  # three of a million codes are right at any moment
FACTORS_OF_ADDRESS = Limit("factors-of-address", 50, 300)
RECOVERIES = Limit("recoveries", 10, 300)  # recovery codes of one user at one address
CLIENT = Limit("client", 30, 60)  # one client_id at one address
CLIENTS_OF_ADDRESS = Limit("clients-of-address", 120, 60)
CREDENTIALS_OF_ADDRESS = Limit("credentials-of-address", 120, 60)
LEAK_REPORTS = Limit("leak-reports", 60, 60)  # of one address
PASSWORD_CHANGES = Limit("password-changes", 10, 60)  # of one user who gave the current one
LINKS_OF_ADDRESS = Limit("links-of-address", 60, 300)  # unknown or ended ones
RESETS_OF_ADDRESS = Limit("resets-of-address", 20, 3600)
RESETS_OF_NAME = Limit("resets-of-name", 5, 3600)  # of one username or address, whether it exists or not
PROVIDER_SIGN_INS_OF_ADDRESS = Limit("provider-sign-ins-of-address", 100, 300)
PROVIDER_LOGOUTS_OF_ADDRESS = Limit("provider-logouts-of-address", 60, 60)
USER_CODES = Limit("user-codes", 10, 300)  # unknown ones that one user enters (RFC 8628 §5.1)
USER_CODES_OF_ADDRESS = Limit("user-codes-of-address", 50, 300)
AUTHORIZATIONS = Limit("authorizations", 120, 60)  # of one user, for all apps
DEVICE_REQUESTS = Limit("device-requests", 60, 60)  # of one address
REGISTRATIONS_OF_ADDRESS = Limit("registrations-of-address", 60, 3600)
REGISTRATION_CHANGES = Limit("registration-changes", 30, 3600)  # of one app, by its registration access token
DOCUMENTS_OF_ADDRESS = Limit("documents-of-address", 10, 60)
NEW_APPS = Limit("new-apps", 500, 3600)  # of all addresses together: what strangers can add to the table of clients
LEAKED_CREDENTIALS = Limit("leaked-credentials", 10_000, 60)  # in all reports of one address


@dataclass(frozen=True, slots=True)
class Counted:
    """The result of a count: `wait` seconds when a limit was spent before; `spent` when this count spent one."""

    wait: int = 0
    spent: bool = False

    @property
    def traces(self) -> tuple[str, ...]:
        """The audit events of a failed authentication."""
        return ("authentication.fail", "authentication.limited") if self.spent else ("authentication.fail",)


class AbuseLimits:
    """Counts failures and says how long to wait; with RATE_LIMITS=off, it counts nothing."""

    def __init__(self, limiter: Limiter, clock: Clock, *, on: bool) -> None:
        self._limiter = limiter
        self._clock = clock
        self._on = on
        self._spent = _SpentWindows()

    def wait(self, *counters: Counter) -> int:
        """Return the seconds until none of these is spent, 0 when none is, without counting."""
        return max((self._seconds_left(counter) for counter in counters), default=0) if self._on else 0

    def count(self, *counters: Counter) -> Counted:
        """Count a failure for each in turn, up to the first that was already spent."""
        spent = False
        for counter in counters if self._on else ():
            if wait := self._remembered_wait(counter):
                return Counted(wait, spent)
            window = self._hit(counter)
            if not window.admitted:
                return Counted(window.reset_seconds, spent)
            spent = spent or not window.remaining
        return Counted(0, spent)

    def refuse_beyond(self, *counters: Counter) -> None:
        """Count one for each; raise TooManyRequests when one was already spent."""
        if wait := self.count(*counters).wait:
            raise TooManyRequests(WAIT, wait)

    def _remembered_wait(self, counter: Counter) -> int:
        until = self._spent.get(counter.key)
        left = (until - self._clock()).total_seconds() if until else 0
        return ceil(left) if 0 < left <= counter.limit.window_seconds else 0  # longer: the clock was set back

    def _seconds_left(self, counter: Counter) -> int:
        if wait := self._remembered_wait(counter):
            return wait
        limit = counter.limit
        return self._remember(counter, self._limiter.look(counter.key, limit.most, limit.window_seconds))

    def _hit(self, counter: Counter) -> Window:
        limit = counter.limit
        try:
            window = self._limiter.hit(counter.key, limit.most, limit.window_seconds, counter.amount)
        except SQLAlchemyError:  # a failure that cannot be counted keeps its own error, not the database's
            return Window(admitted=True, limit=limit.most, remaining=limit.most, reset_seconds=limit.window_seconds)
        self._remember(counter, window)
        return window

    def _remember(self, counter: Counter, window: Window) -> int:
        if window.remaining:
            return 0
        self._spent.put(counter.key, self._clock() + timedelta(seconds=window.reset_seconds))
        return window.reset_seconds


class _SpentWindows:
    """The spent windows that this process has seen and their ends, so that a flood causes no queries."""

    def __init__(self) -> None:
        self._ends: LRUCache[str, datetime] = LRUCache(REMEMBERED)
        self._lock = threading.Lock()

    def get(self, key: str) -> datetime | None:
        with self._lock:
            return self._ends.get(key)

    def put(self, key: str, until: datetime) -> None:
        with self._lock:
            self._ends[key] = until


def neighbourhood(address: str | None) -> str:
    """Return what counts as one address: an IPv4 address, the /64 of an IPv6 one, or `none` for no address."""
    if address is None:
        return "none"
    parsed = ip_address(address.partition("%")[0])
    return str(parsed) if parsed.version == 4 else str(ip_network((parsed, IPV6_NETWORK), strict=False))
