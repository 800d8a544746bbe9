"""/healthz: this process is alive. /readyz: what it needs is there, and does what use asks of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from app import migrations
from app.actions.limits.redis_probe import open_storage, write_failure
from app.database.engines import write_obstacle
from app.database.store import Store
from app.http import current as parts
from app.http.client_certificate import header_name
from app.http.peer import comes_from_trusted_proxy
from app.operations.shared_result import SharedResult

OK, FAILED = "ok", "failed"
PROBE = "Latchkey-Probe"  # what `latchkey doctor` sends as Latchkey_Probe
CERTIFICATE_PROBE = "Latchkey-Certificate-Probe"  # says that a caller's own certificate header came through
FORGED = "latchkey-doctor"  # what `latchkey doctor` sends in the place of a certificate
MOST_PROBES = 3  # at once, and one a second: however often callers ask
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Health:
    """The outcome of each check, `ok` or `failed`, and why it failed where that may be shown to anybody."""

    checks: dict[str, str]
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Return whether no check failed."""
        return all(outcome == OK for outcome in self.checks.values())

    def describe(self) -> str:
        """Name what failed, for the log."""
        failed = (name for name, outcome in self.checks.items() if outcome != OK)
        return ", ".join(f"{name}: {self.reasons.get(name, FAILED)}" for name in failed)


class HealthWatch:
    """Checks the health, and logs when what fails has changed."""

    def __init__(self, store: Store, redis: Any) -> None:
        """Take the database, and the storage of limits on Redis, if any."""
        self._store = store
        self._redis = redis
        self._failing = ""

    def __call__(self) -> Health:
        """Make each check."""
        found = check_health(self._store, self._redis)
        before, self._failing = self._failing, found.describe()
        if self._failing != before:
            log.warning("not ready: %s", self._failing) if self._failing else log.info("ready again")
        return found


def register(app: Flask) -> None:
    """Add both routes."""
    known = parts.actions_of(app)
    storage = open_storage(known.settings.redis_url) if known.settings.redis_url else None
    readiness = SharedResult(HealthWatch(known.store, storage), MOST_PROBES)

    def readyz() -> ResponseReturnValue:
        """Say whether it can serve: 200, or 503 with the check that failed, and the reason where it has one."""
        found = readiness()
        reasons = {"reasons": found.reasons} if found.reasons else {}
        return {"status": OK if found.ready else FAILED, "checks": found.checks, **reasons}, 200 if found.ready else 503

    app.add_url_rule("/healthz", view_func=healthz)
    app.add_url_rule("/readyz", view_func=readyz)


def healthz() -> ResponseReturnValue:
    """Say that this process answers; to a probe also that a proxy handed it on, though its name passes for another."""
    handed_on = "X-Forwarded-For" in request.headers and comes_from_trusted_proxy()
    certificate = header_name(parts.actions().settings)
    arrived = {PROBE: PROBE in request.headers, CERTIFICATE_PROBE: _is_forged(certificate)}
    return {"status": OK}, {name: "arrived" for name, did in arrived.items() if did and handed_on}


def _is_forged(name: str) -> bool:
    return bool(name) and FORGED in request.headers.get(name, "")


def check_health(store: Store, redis: Any) -> Health:
    """Make each check; `redis` is the storage of limits, if any.

    A database that only reads fails the check `writes` and not `database`: a balancer leaves the node in use.
    """
    checks, reasons = {"database": FAILED, "migrations": FAILED}, {}
    try:
        with store.connection() as connection:
            migrated = migrations.state(connection) in ("current", "newer")  # newer: others are upgraded meanwhile
            obstacle = write_obstacle(connection)
        checks = {"database": OK, "migrations": OK if migrated else FAILED}
        if obstacle:
            checks["writes"], reasons["writes"] = FAILED, obstacle
    except (SQLAlchemyError, OSError):
        pass
    if redis is not None:
        failure = write_failure(redis)
        checks["redis"] = FAILED if failure else OK
        reasons |= {"redis": failure} if failure else {}
    return Health(checks, reasons)
