"""/healthz: this process is alive. /readyz: the database and Redis, if any, work."""

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
from app.operations.paths import HEALTHZ
from app.operations.shared_result import SharedResult
from app.settings.addresses import is_trusted_proxy
from app.settings.settings import Settings

OK, FAILED = "ok", "failed"
PROBE = "Latchkey-Probe"  # what `latchkey doctor` sends as Latchkey_Probe
CERTIFICATE_PROBE = "Latchkey-Certificate-Probe"  # the proxy passed a caller's own certificate header on
FORGED = "latchkey-doctor"  # what `latchkey doctor` sends instead of a certificate
MOST_CHECKS = 3  # in a burst, then one a second, however often /readyz is called
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Health:
    """The outcome of each check, `ok` or `failed`, and the reasons of failures that are public."""

    checks: dict[str, str]
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Return whether no check failed."""
        return all(outcome == OK for outcome in self.checks.values())

    def describe(self) -> str:
        """Name the failed checks, for the log."""
        failed = (name for name, outcome in self.checks.items() if outcome != OK)
        return ", ".join(f"{name}: {self.reasons.get(name, FAILED)}" for name in failed)


class HealthWatch:
    """Checks the health, and logs when the failed checks change."""

    def __init__(self, store: Store, redis: Any) -> None:
        """Store what is checked: the database, and the Redis storage of limits, if any."""
        self._store = store
        self._redis = redis
        self._failing = ""

    def __call__(self) -> Health:
        """Run all checks."""
        found = check_health(self._store, self._redis)
        before, self._failing = self._failing, found.describe()
        if self._failing != before:
            log.warning("not ready: %s", self._failing) if self._failing else log.info("ready again")
        return found


def register(app: Flask, store: Store, settings: Settings, certificate_header: str) -> None:
    """Add both routes; `certificate_header` is where a proxy forwards client certificates, empty for nowhere."""
    storage = open_storage(settings.redis_url) if settings.redis_url else None
    readiness = SharedResult(HealthWatch(store, storage), MOST_CHECKS)

    def healthz() -> ResponseReturnValue:
        """Return 200; tell a probe which of its headers a trusted proxy passed on."""
        forwarded = "X-Forwarded-For" in request.headers
        if not forwarded or not is_trusted_proxy(request.remote_addr or "", settings.trusted_proxies):
            return {"status": OK}, {}
        arrived = {PROBE: PROBE in request.headers, CERTIFICATE_PROBE: _is_forged(certificate_header)}
        return {"status": OK}, {name: "arrived" for name, did in arrived.items() if did}

    def readyz() -> ResponseReturnValue:
        """Return whether requests can be answered: 200, or 503 with the failed checks and their public reasons."""
        found = readiness()
        reasons = {"reasons": found.reasons} if found.reasons else {}
        return {"status": OK if found.ready else FAILED, "checks": found.checks, **reasons}, 200 if found.ready else 503

    app.add_url_rule(HEALTHZ, view_func=healthz)
    app.add_url_rule("/readyz", view_func=readyz)


def _is_forged(name: str) -> bool:
    return bool(name) and FORGED in request.headers.get(name, "")


def check_health(store: Store, redis: Any) -> Health:
    """Run all checks; `redis` is the storage of limits, if any.

    A read-only database fails the check `writes` and not `database`, so that a balancer keeps the node in use.
    """
    checks, reasons = {"database": FAILED, "migrations": FAILED}, {}
    try:
        with store.connection() as connection:
            migrated = migrations.state(connection) in ("current", "newer")  # newer: another node is upgraded already
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
