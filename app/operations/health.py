"""/healthz: this process is alive. /readyz: what it stands on is there."""

from __future__ import annotations

from typing import Any

from flask import Flask, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from app import migrations
from app.database import Store
from app.operations import parts
from app.operations.client_certificate import header_name
from app.operations.peer import comes_from_trusted_proxy

OK, FAILED = "ok", "failed"
REDIS_PATIENCE = 1.0  # seconds
PROBE = "Latchkey-Probe"  # what `latchkey doctor` sends as Latchkey_Probe
CERTIFICATE_PROBE = "Latchkey-Certificate-Probe"  # says that a caller's own certificate header came through
FORGED = "latchkey-doctor"  # what `latchkey doctor` sends in the place of a certificate


def register(app: Flask) -> None:
    """Add both routes."""
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


def readyz() -> ResponseReturnValue:
    """Say whether it can serve: 200, or 503 with which check failed, and nothing of why."""
    checks = check(parts.actions().store, parts.actions().settings.redis_url)
    ready = all(outcome == OK for outcome in checks.values())
    return {"status": OK if ready else FAILED, "checks": checks}, 200 if ready else 503


def check(store: Store, redis_url: str) -> dict[str, str]:
    """Give the outcome of each check, `ok` or `failed`."""
    checks = {"database": FAILED, "migrations": FAILED}
    try:
        with store.connection() as connection:
            migrated = migrations.state(connection) in ("current", "newer")  # newer: others are upgraded meanwhile
        checks = {"database": OK, "migrations": OK if migrated else FAILED}
    except SQLAlchemyError:
        pass
    return checks | ({"redis": OK if redis_answers(redis_url) else FAILED} if redis_url else {})


def redis_answers(url: str) -> bool:
    """Tell whether Redis answers a PING within a second."""
    import redis  # most servers have none

    patience: Any = {"socket_connect_timeout": REDIS_PATIENCE, "socket_timeout": REDIS_PATIENCE}
    try:
        with redis.Redis.from_url(url, **patience) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
