"""The lifetime that is requested for a credential, and the policy that limits it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.errors import Invalid

LONGEST_EXPIRES_IN = 100 * 366 * 86_400  # seconds; a longer one should be "never"


@dataclass(frozen=True, slots=True)
class Policy:
    """The server's limits for PATs, in seconds; without `longest`, a token may never expire."""

    default: int
    longest: int | None


@dataclass(frozen=True, slots=True)
class AskedLifetime:
    """At most one of the three: an instant, seconds from now, or never. None of them: the default."""

    expires_at: datetime | None = None
    expires_in: int | None = None
    never: bool = False

    def resolve(self, now: datetime, policy: Policy) -> datetime | None:
        """Return the instant of expiry, None for never. Raises Invalid when it is past, too short or too long."""
        if self.never:
            if policy.longest is not None:
                raise Invalid.field("expires_at", f"must be set: a lifetime is at most {policy.longest} s here")
            return None
        field = "expires_at" if self.expires_at is not None else "expires_in"
        seconds = self._seconds(now, policy)
        if seconds < 1:
            raise Invalid.field(field, "a lifetime is at least 1 s")
        longest = LONGEST_EXPIRES_IN if policy.longest is None else policy.longest
        if seconds > longest:
            raise Invalid.field(field, f"a lifetime is at most {longest} s")
        return self.expires_at or now + timedelta(seconds=seconds)

    def _seconds(self, now: datetime, policy: Policy) -> float:
        if self.expires_at is not None:
            return (self.expires_at - now).total_seconds()
        return policy.default if self.expires_in is None else self.expires_in


def future_or_never(expires_at: datetime | None, now: datetime) -> datetime | None:
    """Return the expiry of a credential without a policy. Raises Invalid when it is less than 1 s ahead."""
    return AskedLifetime(expires_at=expires_at, never=expires_at is None).resolve(now, Policy(LONGEST_EXPIRES_IN, None))
