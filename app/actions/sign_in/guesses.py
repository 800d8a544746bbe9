"""Guesses at a second factor: limited for each user, and recorded as failed authentications."""

from __future__ import annotations

from collections.abc import Callable

from app.actions.audit.actor import Actor, anonymous
from app.actions.limits.abuse import (
    FACTORS,
    FACTORS_OF_ADDRESS,
    FACTORS_OF_DAY,
    RECOVERIES,
    WAIT,
    AbuseLimits,
    Counter,
)
from app.actions.sign_in.factors import CODE, RECOVERY
from app.actions.sign_in.failed_authentications import FailedAuthentications
from app.errors import TooManyRequests, Unauthenticated

WRONG = "the code is wrong, or was used before"
NAMES = {CODE: "one-time code", RECOVERY: "recovery code"}


class Guesses:
    """Lets a check of a code run unless its limits are spent, and counts it when it fails."""

    def __init__(self, limits: AbuseLimits, failures: FailedAuthentications) -> None:
        self._limits = limits
        self._failures = failures

    def check(self, who: Actor, method: str, is_right: Callable[[], bool]) -> None:
        """Raise Unauthenticated for a wrong code, TooManyRequests after too many; `who` gave the first factor."""
        counters = _counters(who, method)
        if wait := self._limits.wait(*counters):
            raise TooManyRequests(WAIT, wait)
        if not is_right():
            counted = self._limits.count(*counters)
            self._record(who, counted.traces, NAMES[method])
            raise Unauthenticated(WRONG)

    def fail_passkey(self, who: Actor, user_id: str, reason: str) -> None:
        """Record a passkey of a user that was not accepted; a signature is not guessed, so nothing is limited."""
        origin = anonymous(who.address, who.request_id)
        self._failures.record(origin, ("authentication.fail",), "user", user_id, by="passkey", reason=reason)

    def _record(self, who: Actor, traces: tuple[str, ...], name: str) -> None:
        self._failures.record(anonymous(who.address, who.request_id), traces, "user", who.id, by=name)


def _counters(who: Actor, method: str) -> tuple[Counter, ...]:
    """Return the counters of a guess: a recovery code is too long to be guessed, so nobody is kept from their own."""
    if method == RECOVERY:
        return (RECOVERIES.at(who.address, who.id),)
    return FACTORS.of(who.id), FACTORS_OF_DAY.of(who.id), FACTORS_OF_ADDRESS.at(who.address)
