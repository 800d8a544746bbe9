"""How many seconds after its revocation a JWT is refused, by each way to verify it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import jwt

from tests.benchmark.ways import CACHED, INTROSPECTION, LOCAL, STATUS_LIST, Server, Way

POLLED = (INTROSPECTION, CACHED, STATUS_LIST)
PAUSE = 0.005  # seconds between two calls with the revoked token
PATIENCE = 30.0  # seconds


def measure_refusals(server: Server, token: str, revoke: Callable[[], None]) -> dict[str, float]:
    """Revoke a token that each way has just accepted, and call with it until each way refuses it.

    Nobody waits for its `exp`, at which the local one does: that one is called by a clock set to it.
    """
    with ExitStack() as stack:
        clock: list[float] = []
        local = server.open_way(LOCAL, now=lambda: clock[-1] if clock else time.time())
        polled = {name: server.open_way(name) for name in POLLED}
        for way in (local, *polled.values()):
            stack.callback(way.close)
            way.verify(token)
        revoke()
        began = time.time()
        seconds = _poll(polled, token)
        expires_at = jwt.decode(token, options={"verify_signature": False})["exp"]
        accepted = []
        for moment in (expires_at - 1, expires_at):
            clock.append(moment)
            accepted.append(local.accepts(token))
    if accepted != [True, False]:
        raise RuntimeError("a JWT that is verified locally did not end at its exp")
    return seconds | {LOCAL: expires_at - began}


def _poll(ways: Mapping[str, Way], token: str) -> dict[str, float]:
    """Return after how many seconds each way refuses the token; raise RuntimeError if one never does."""
    began, found = time.monotonic(), dict[str, float]()
    while len(found) < len(ways):
        for name, way in ways.items():
            if name not in found and not way.accepts(token):
                found[name] = time.monotonic() - began
        if time.monotonic() - began > PATIENCE:
            raise RuntimeError(f"still accepted after {PATIENCE:.0f} s: {', '.join(ways.keys() - found.keys())}")
        time.sleep(PAUSE)
    return found
