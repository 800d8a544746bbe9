"""Slow down who guesses and who floods: one table of limits, and what counts against it. Good credentials never count.

| who fails | counted for | beyond it |
| --- | --- | --- |
| a password | the username at the address | nobody signs in as that user from there |
| a password | the address; the username | only users who lately signed in from that address go on |
| a client | the address; the client at the address | a failure is 429 and leaves no trace; a right secret passes |
| a credential | the address | a failure is 429; a good credential passes |
| (a leak report) | the address, once and by each credential in it | 429, failed or not |
| (a change of one's own password) | the user | 429, failed or not |
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

REMEMBERED = 10_000  # spent windows that a process knows without asking
IPV6_NETWORK = 64  # bits: what one subscriber is given, and may take any address of
WAIT = "too many failed attempts: try again later"


@dataclass(frozen=True, slots=True)
class Limit:
    """So many in a window of so many seconds."""

    name: str
    most: int
    window_seconds: int

    def of(self, *whom: str | None) -> Counter:
        """Give the counter of these; their names and addresses are kept as a digest only."""
        text = "\n".join(part or "" for part in whom).encode("utf-8", "surrogatepass")
        return Counter(self, f"abuse:{self.name}:{sha256(text).hexdigest()}")

    def at(self, address: str | None, *whom: str) -> Counter:
        """Give the counter of these at an address, which stands for its neighbourhood."""
        return self.of(*whom, neighbourhood(address))


@dataclass(frozen=True, slots=True)
class Counter:
    """A limit for somebody."""

    limit: Limit
    key: str
    amount: int = 1

    def times(self, amount: int) -> Counter:
        """Count so many at once."""
        return replace(self, amount=amount)


PASSWORD = Limit("password", 20, 60)  # of one username at one address
PASSWORDS_OF_ADDRESS = Limit("passwords-of-address", 100, 300)
PASSWORDS_OF_USERNAME = Limit("passwords-of-username", 100, 300)
CLIENT = Limit("client", 30, 60)  # one client_id at one address
CLIENTS_OF_ADDRESS = Limit("clients-of-address", 120, 60)
CREDENTIALS_OF_ADDRESS = Limit("credentials-of-address", 120, 60)
LEAK_REPORTS = Limit("leak-reports", 60, 60)  # of one address
PASSWORD_CHANGES = Limit("password-changes", 10, 60)  # of one user who has shown the present one
LEAKED_CREDENTIALS = Limit("leaked-credentials", 10_000, 60)  # in all reports of one address


@dataclass(frozen=True, slots=True)
class Counted:
    """What a count made of its limits: `wait` seconds when one was spent before; `spent`: one is now, by this."""

    wait: int = 0
    spent: bool = False

    @property
    def traces(self) -> tuple[str, ...]:
        """Name the audit events that a failed authentication leaves."""
        return ("authentication.fail", "authentication.limited") if self.spent else ("authentication.fail",)


class AbuseLimits:
    """Counts, and says who has to wait. Off (RATE_LIMITS=off), nobody has."""

    def __init__(self, limiter: Limiter, clock: Clock, *, on: bool) -> None:
        self._limiter = limiter
        self._clock = clock
        self._on = on
        self._spent = _Spent()

    def wait(self, *counters: Counter) -> int:
        """Give the seconds until none of these is spent, 0 when none is; counts nothing."""
        return max((self._left(counter) for counter in counters), default=0) if self._on else 0

    def count(self, *counters: Counter) -> Counted:
        """Count a failure for each in turn, and no further once one was spent before."""
        spent = False
        for counter in counters if self._on else ():
            if wait := self._known(counter):
                return Counted(wait, spent)
            window = self._hit(counter)
            if not window.admitted:
                return Counted(window.reset_seconds, spent)
            spent = spent or not window.remaining
        return Counted(0, spent)

    def refuse_beyond(self, *counters: Counter) -> None:
        """Count one for each; raises TooManyRequests when one was spent before."""
        if wait := self.count(*counters).wait:
            raise TooManyRequests(WAIT, wait)

    def _known(self, counter: Counter) -> int:
        until = self._spent.get(counter.key)
        left = (until - self._clock()).total_seconds() if until else 0
        return ceil(left) if 0 < left <= counter.limit.window_seconds else 0  # longer: the clock was set back

    def _left(self, counter: Counter) -> int:
        if wait := self._known(counter):
            return wait
        limit = counter.limit
        return self._noted(counter, self._limiter.look(counter.key, limit.most, limit.window_seconds))

    def _hit(self, counter: Counter) -> Window:
        limit = counter.limit
        try:
            window = self._limiter.hit(counter.key, limit.most, limit.window_seconds, counter.amount)
        except SQLAlchemyError:  # what cannot be counted is refused for its own reason, not for the database's
            return Window(admitted=True, limit=limit.most, remaining=limit.most, reset_seconds=limit.window_seconds)
        self._noted(counter, window)
        return window

    def _noted(self, counter: Counter, window: Window) -> int:
        if window.remaining:
            return 0
        self._spent.put(counter.key, self._clock() + timedelta(seconds=window.reset_seconds))
        return window.reset_seconds


class _Spent:
    """The spent windows that this process has seen, and when they end: a flood asks the database no more."""

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
    """Give what counts as one address: an IPv4 address, the /64 of an IPv6 one, and all who have none together."""
    if address is None:
        return "none"
    plain = ip_address(address.partition("%")[0])
    return str(plain) if plain.version == 4 else str(ip_network((plain, IPV6_NETWORK), strict=False))
