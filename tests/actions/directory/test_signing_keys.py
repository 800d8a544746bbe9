"""Signing keys are rotated and listed."""

import threading

import jwt
import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.signing_keys import SigningKeyView
from app.crypto.signing import RETIRING
from tests.core import START, Core

pytestmark = pytest.mark.both_databases


def listed(core: Core) -> dict[str, SigningKeyView]:
    return {view.kid: view for view in core.actions.rotate_signing_key.list()}


def kid_of(token: str) -> str:
    kid: str = jwt.get_unverified_header(token)["kid"]
    return kid


def test_the_next_key_becomes_the_active_one(core: Core) -> None:
    before = listed(core)
    coming = next(view for view in before.values() if view.status == "next")
    active = next(view for view in before.values() if view.status == "active")
    core.clock.advance(seconds=5)
    view = core.actions.rotate_signing_key(OPERATOR)
    after = listed(core)
    assert (view.kid, view.status, view.alg) == (coming.kid, "active", "ES256")
    assert [v.status for v in after.values()] == ["active", "next", "retiring"]
    assert after[active.kid].retires_at == core.clock() + RETIRING
    assert after[coming.kid].retires_at is None and after[coming.kid].created_at == START


def test_tokens_of_both_keys_verify(core: Core) -> None:
    old_token = core.m2m("robot", "orders:read")
    old_exchanged = core.exchange(core.pat("alice", "orders:read")[1])
    view = core.actions.rotate_signing_key(OPERATOR)
    new_token = core.m2m("robot", "orders:read")
    assert kid_of(old_token) != kid_of(new_token) == view.kid
    assert all(core.active(token) for token in (old_token, old_exchanged, new_token))
    core.actions.rotate_signing_key(OPERATOR)
    assert all(core.active(token) for token in (old_token, old_exchanged, new_token))


def test_a_retired_key_is_unlisted_and_deleted_by_the_next_rotation(core: Core) -> None:
    old = kid_of(core.m2m("robot", "orders:read"))
    core.actions.rotate_signing_key(OPERATOR)
    core.clock.now = START + RETIRING
    assert old not in listed(core) and len(listed(core)) == 2
    core.actions.rotate_signing_key(OPERATOR)
    assert old not in listed(core) and len(listed(core)) == 3


def test_concurrent_rotations_run_one_after_another(core: Core) -> None:
    failures: list[BaseException] = []

    def rotate() -> None:
        try:
            core.actions.rotate_signing_key(OPERATOR)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=rotate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    statuses = [view.status for view in core.actions.rotate_signing_key.list()]
    assert failures == [] and statuses == ["active", "next", "retiring", "retiring", "retiring", "retiring"]
    assert len(core.trace("signing_key.rotate")) == 4
    assert core.active(core.m2m("robot", "orders:read"))
