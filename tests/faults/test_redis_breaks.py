"""Redis is down before the start, starts, hangs and stops: meanwhile each process counts its limits itself."""

import time
from collections.abc import Iterator

import pytest

from app.actions.limits import storage as rate_limits
from tests.api import Admin
from tests.conftest import StartServer
from tests.faults.endpoints import Endpoints, assert_no_leak
from tests.redis_server import RedisServer

LONGEST = 1.3  # seconds: half of one for Redis, and what a busy machine takes
MANY = 4


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.stop()


@pytest.mark.asvs("16.5.2")
@pytest.mark.contract("Redis away before the start, back, hung, gone")
def test_whatever_redis_does_requests_are_answered_soon_and_limits_hold(
    redis: RedisServer, fresh_server: StartServer
) -> None:
    live = fresh_server(redis_url=redis.url, rate_limits="on")
    endpoints = Endpoints(Admin(live))
    key = Admin(live).api_key(endpoints.world.resource, rate_limit={"requests": MANY, "window_seconds": 600})["key"]
    asked = f"/oauth/forward-auth?resource={endpoints.world.identifier}"

    def ask() -> int:
        answers = endpoints.ask_all()
        assert {name: answer.status_code // 100 for name, answer in answers.items()} == dict.fromkeys(answers, 2)
        began = time.monotonic()
        status = endpoints.http.get(asked, headers={"X-API-Key": key}).status_code
        assert time.monotonic() - began < LONGEST
        return status

    def readiness() -> tuple[int, str]:
        began = time.monotonic()
        answer = endpoints.http.get("/readyz")
        assert time.monotonic() - began < LONGEST
        return answer.status_code, answer.json()["checks"]["redis"]

    assert [ask() for _ in range(MANY + 2)] == [200] * MANY + [429] * 2  # away before the start, by memory
    assert readiness() == (503, "failed")
    redis.start()
    assert readiness() == (200, "ok")
    deadline = time.monotonic() + rate_limits.REDIS_PAUSE + 2
    while ask() == 429:  # it is asked again after a while, and has counted nothing yet
        assert time.monotonic() < deadline
        time.sleep(0.1)
    redis.pause()
    assert ask() == 429  # in memory, which counted the earlier ones
    assert readiness() == (503, "failed")
    redis.resume()
    assert readiness() == (200, "ok")
    redis.stop()
    assert ask() == 429
    assert endpoints.http.get("/healthz").status_code == 200
    assert_no_leak(live.stderr_file.read_text())


@pytest.mark.contract("Redis away before the start, back, hung, gone")
def test_a_redis_that_hangs_is_waited_for_once(redis: RedisServer) -> None:
    redis.start()
    limiter = rate_limits.RedisLimiter(redis.url)
    limiter.hit("k", 5, 60)
    redis.pause()
    began = time.monotonic()
    seen = [limiter.hit("k", 2, 60).admitted for _ in range(3)]
    assert seen == [True, True, False]
    assert time.monotonic() - began < 2 * rate_limits.REDIS_PATIENCE  # it is waited for once
    redis.resume()
