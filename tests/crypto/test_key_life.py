"""A signing key is published if and only if it verifies, at every instant, whatever was rotated or revoked before."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from app.actions.audit.actor import OPERATOR
from app.crypto.signing import RETIRING, SKEW, SigningKeys
from app.errors import NotFound
from app.models import SigningKey
from tests.core import ISSUER, ORDERS, Core, contents, start_core

pytestmark = pytest.mark.both_databases

DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
PrivateKeys = dict[str, ec.EllipticCurvePrivateKey]


@pytest.fixture(scope="module")
def long_lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    made = start_core(tmp_path_factory.mktemp("keys"))
    made.resource(ORDERS, "orders:read", ttl=86_400)
    made.role("worker", "machine", "orders:read")
    made.client("robot", "worker")
    yield made
    made.store.dispose()


def steal(core: Core, stolen: PrivateKeys) -> None:
    """Copy every private key that is in the database, as somebody with the backup and SECRET_KEY could."""
    with core.store.reading() as session:
        for row in session.scalars(select(SigningKey)):
            stolen[row.kid] = core.actions.signing_keys._unseal(row.sealed_private_key)


def forge(core: Core, kid: str, key: ec.EllipticCurvePrivateKey, **changed: object) -> str:
    return sign(contents(core.m2m("robot", "orders:read")) | changed, kid, key)


def sign(claims: dict[str, object], kid: str, key: ec.EllipticCurvePrivateKey) -> str:
    return jwt.encode(claims | {"jti": "m2m_forged"}, key, "ES256", {"kid": kid, "typ": "at+jwt"})


def published(core: Core) -> set[str]:
    with core.store.connection() as connection:
        return {str(key["kid"]) for key in core.actions.signing_keys.published(connection, core.clock())}


def in_state(core: Core, state: str) -> list[str]:
    return [key.kid for key in core.actions.rotate_signing_key.list() if key.status == state]


def assert_published_iff_verified(core: Core, stolen: PrivateKeys) -> None:
    steal(core, stolen)
    shown = published(core)
    cold = SigningKeys("k" * 40)  # another process, which has seen no key yet
    claims = contents(core.m2m("robot", "orders:read"))
    for kid, key in stolen.items():
        token = sign(claims, kid, key)
        assert core.active(token) == (kid in shown)  # the first time, and from what this process keeps
        assert core.active(token) == (kid in shown)
        with core.store.connection() as connection:
            found = cold.read(connection, token, ISSUER)
        assert (found is not None and found.holds(core.clock())) == (kid in shown)


def revoke_first(state: str) -> Callable[[Core], None]:
    def revoke(core: Core) -> None:
        for kid in in_state(core, state)[:1]:
            core.actions.rotate_signing_key.revoke(OPERATOR, kid)

    return revoke


def retire_next_microsecond(core: Core) -> None:
    """Go to just before the end of the key that retires first."""
    ends = [key.retires_at for key in core.actions.rotate_signing_key.list() if key.retires_at]
    if ends:
        core.clock.now = min(ends) - MICROSECOND


STEPS: dict[str, Callable[[Core], object]] = {
    "rotate": lambda core: core.actions.rotate_signing_key(OPERATOR),
    "revoke active": revoke_first("active"),
    "revoke next": revoke_first("next"),
    "revoke retiring": revoke_first("retiring"),
    "go to an end": retire_next_microsecond,
    "microsecond": lambda core: core.clock.advance(microseconds=1),
    "hour": lambda core: core.clock.advance(hours=1),
    "day": lambda core: core.clock.advance(days=1),
}


@pytest.mark.contract("a key is published if and only if it verifies")
@pytest.mark.spec("RFC 7517 §5")
@settings(deadline=None, max_examples=25)
@given(steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=10))
def test_a_key_is_published_if_and_only_if_it_verifies(long_lived: Core, steps: list[str]) -> None:
    stolen: PrivateKeys = {}
    assert_published_iff_verified(long_lived, stolen)
    for step in steps:
        STEPS[step](long_lived)
        assert_published_iff_verified(long_lived, stolen)
        assert len(in_state(long_lived, "active")) == len(in_state(long_lived, "next")) == 1


@pytest.mark.contract("a key is published if and only if it verifies")
def test_a_key_verifies_up_to_the_instant_at_which_it_retires(core: Core) -> None:
    stolen: PrivateKeys = {}
    steal(core, stolen)
    [old] = in_state(core, "active")
    core.actions.rotate_signing_key(OPERATOR)
    core.clock.now += RETIRING - MICROSECOND
    last = forge(core, old, stolen[old])
    assert core.active(last) and old in published(core)
    core.clock.advance(microseconds=1)
    assert not core.active(last) and old not in published(core)  # kept by this process until then, and no longer


@pytest.mark.contract("`/signing-keys/{kid}`, revoked at once with its tokens")
@pytest.mark.parametrize("state", ["active", "next", "retiring"])
def test_a_revoked_key_ends_with_its_tokens_and_there_is_always_one_to_sign_with(core: Core, state: str) -> None:
    stolen: PrivateKeys = {}
    core.actions.rotate_signing_key(OPERATOR)
    steal(core, stolen)
    [kid] = in_state(core, state)
    token = forge(core, kid, stolen[kid])
    coming = in_state(core, "next")[0]
    assert core.active(token)
    core.actions.rotate_signing_key.revoke(OPERATOR, kid)
    assert not core.active(token) and kid not in published(core)
    assert core.active(core.m2m("robot", "orders:read"))
    assert in_state(core, "active") == [coming] if state == "active" else kid not in in_state(core, "active")
    assert len(in_state(core, "next")) == 1
    event = core.trace("signing_key.revoke")[-1]
    assert (event.target, event.details["status"]) == (kid, state)


def test_an_exchanged_token_ends_with_the_key_that_signed_it(core: Core) -> None:
    exchanged = core.exchange(core.pat("alice", "orders:read")[1])
    assert core.active(exchanged)
    core.actions.rotate_signing_key.revoke(OPERATOR, in_state(core, "active")[0])
    assert not core.active(exchanged)


@pytest.mark.parametrize("kid", ["sig_unknown", "sig_00", "", "\x00", "x" * 10_000])
def test_a_key_that_is_not_published_cannot_be_revoked(core: Core, kid: str) -> None:
    with pytest.raises(NotFound):
        core.actions.rotate_signing_key.revoke(OPERATOR, kid)
    assert core.trace("signing_key.revoke") == []


@pytest.mark.spec("RFC 7519 §4.1.6")
def test_a_token_from_the_future_is_refused_beyond_the_clocks_skew(core: Core) -> None:
    stolen: PrivateKeys = {}
    steal(core, stolen)
    [kid] = in_state(core, "active")
    now = int(core.clock().timestamp())
    for ahead, good in ((0, True), (int(SKEW.total_seconds()), True), (int(SKEW.total_seconds()) + 2, False)):
        token = forge(core, kid, stolen[kid], iat=now + ahead, exp=now + ahead + 60)
        assert core.active(token) == good
