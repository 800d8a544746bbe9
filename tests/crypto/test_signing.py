"""Only an access token for our issuer that one of our keys signed is accepted."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from app.crypto.signing import ACCESS_TOKEN_TYPE, RETIRING, SigningKeys
from app.errors import BadSettings
from app.models import SigningKey
from tests.core import ISSUER, START, Core, start_core

pytestmark = pytest.mark.both_databases

CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "robot",
    "aud": "https://api.example/orders",
    "client_id": "robot",
    "scope": "orders:read",
    "iat": 1,
    "exp": 2,
    "jti": "m2m_1",
    "credential_type": "client_credentials",
}
quick = settings(deadline=None, max_examples=150)


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    made = start_core(tmp_path_factory.mktemp("signer"))
    yield made
    made.store.dispose()


def read(core: Core, token: str) -> Mapping[str, Any] | None:
    with core.store.connection() as connection:
        found = core.actions.signing_keys.read(connection, token, ISSUER)
    return found.claims if found else None


def signed(core: Core, claims: dict[str, Any] = CLAIMS, typ: str = ACCESS_TOKEN_TYPE) -> str:
    with core.store.connection() as connection:
        return core.actions.signing_keys.sign(connection, claims, typ)


def states(core: Core) -> dict[str, str]:
    with core.store.reading() as session:
        return {key.kid: key.state for key in session.scalars(select(SigningKey))}


def published(core: Core) -> list[dict[str, Any]]:
    with core.store.connection() as connection:
        return core.actions.signing_keys.published(connection, core.clock())


def rotate(core: Core) -> str:
    with core.store.transaction() as session:
        return core.actions.signing_keys.rotate(session, core.clock())


def forged(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"s" * 64) -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def public_pem(core: Core) -> bytes:
    key = jwt.PyJWK(published(core)[0]).key
    pem: bytes = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem


def active_kid(core: Core) -> str:
    return next(kid for kid, state in states(core).items() if state == "active")


@pytest.mark.spec("RFC 9068 §2.1")
def test_a_token_of_ours_is_read_and_says_what_it_is(signer: Core) -> None:
    token = signed(signer)
    assert read(signer, token) == CLAIMS
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "typ": "at+jwt", "kid": active_kid(signer)}


@quick
@given(text=st.text())
def test_no_text_makes_reading_raise(signer: Core, text: str) -> None:
    assert read(signer, text) is None


@pytest.mark.asvs("RFC 8725 §3.3")
@quick
@given(parts=st.lists(st.binary(max_size=30), min_size=3, max_size=3))
def test_no_three_parts_make_reading_raise(signer: Core, parts: list[bytes]) -> None:
    assert read(signer, ".".join(base64.urlsafe_b64encode(p).rstrip(b"=").decode() for p in parts)) is None


HEADER_VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=3))


@quick
@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk", "jku", "x5c", "zip", "enc"]), HEADER_VALUES
    ),
    claims=st.dictionaries(st.sampled_from(list(CLAIMS)), HEADER_VALUES),
)
def test_no_header_makes_reading_raise(signer: Core, header: dict[str, Any], claims: dict[str, Any]) -> None:
    assert read(signer, forged(header, claims)) is None
    kid = active_kid(signer)
    assert read(signer, forged(header | {"typ": "at+jwt", "alg": "ES256", "kid": kid}, claims)) is None


@pytest.mark.asvs("9.1.3", "RFC 8725 §3.10")
@pytest.mark.parametrize("kid", ["\x00", "a\x00b", "\ud800", "k" * 100_000, "' OR 1=1 --", "../../etc/passwd", ""])
def test_a_key_id_that_cannot_be_ours_never_reaches_the_database(signer: Core, kid: str) -> None:
    asked: list[str] = []
    with signer.store.connection() as connection:

        def note(*seen: Any) -> None:
            asked.append(seen[2])

        event.listen(connection, "before_cursor_execute", note)
        token = forged({"alg": "ES256", "typ": "at+jwt", "kid": kid}, CLAIMS)
        assert signer.actions.signing_keys.read(connection, token, ISSUER) is None
        event.remove(connection, "before_cursor_execute", note)
    assert asked == []


@pytest.mark.asvs("9.1.1")
@quick
@given(place=st.integers(0, 10_000), character=st.sampled_from("AQgwz059-_."))
def test_one_changed_character_is_refused(signer: Core, place: int, character: str) -> None:
    token = signed(signer)
    place %= len(token) - 1  # the last one holds padding bits, which base64 forgives
    changed = token[:place] + character + token[place + 1 :]
    assert changed == token or read(signer, changed) is None


@pytest.mark.asvs("9.1.2")
@pytest.mark.contract("PyJWT: any algorithm")
@pytest.mark.spec("RFC 8725 §3.1")
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
def test_an_unsigned_token_is_refused(signer: Core, alg: str) -> None:
    header = {"alg": alg, "typ": "at+jwt", "kid": active_kid(signer)}
    assert read(signer, forged(header, CLAIMS, b"")) is None
    assert read(signer, forged(header, CLAIMS)) is None


@pytest.mark.asvs("9.1.2", "RFC 8725 §3.1–3.2")
@pytest.mark.contract("PyJWT: any algorithm")
@pytest.mark.spec("RFC 8725 §3.1")
def test_the_public_key_does_not_work_as_an_hmac_secret(signer: Core) -> None:
    head = {"alg": "HS256", "typ": "at+jwt", "kid": active_kid(signer)}
    body = forged(head, CLAIMS).rpartition(".")[0]
    for secret in (public_pem(signer), public_pem(signer).strip(), json.dumps(published(signer)[0]).encode()):
        signature = hmac.new(secret, body.encode(), hashlib.sha256).digest()
        assert read(signer, f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}") is None


@pytest.mark.asvs("9.2.2", "RFC 8725 §3.11–3.12")
@pytest.mark.spec("RFC 9068 §4")
@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+JWT2", "token-introspection+jwt", "", "application/at+jwt; x"])
def test_a_jwt_signed_for_another_purpose_is_not_an_access_token(signer: Core, typ: str) -> None:
    assert read(signer, signed(signer, typ=typ)) is None


@pytest.mark.asvs("10.3.3", "RFC 8725 §3.8–3.9")
@pytest.mark.spec("RFC 9068 §4")
@pytest.mark.parametrize("issuer", ["https://other.example", ISSUER + "/", "", None, [ISSUER], ISSUER.upper()])
def test_another_issuers_token_is_refused(signer: Core, issuer: object) -> None:
    claims = CLAIMS | {"iss": issuer} if issuer is not None else {k: v for k, v in CLAIMS.items() if k != "iss"}
    key = active_private_key(signer)
    token = jwt.api_jws.encode(json.dumps(claims).encode(), key, "ES256", {"typ": "at+jwt", "kid": active_kid(signer)})
    assert read(signer, token) is None


@pytest.mark.asvs("9.2.4")
@pytest.mark.spec("RFC 9068 §2.2")
@pytest.mark.parametrize("name", ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"])
def test_a_token_without_a_required_claim_is_refused(signer: Core, name: str) -> None:
    assert read(signer, signed(signer, {k: v for k, v in CLAIMS.items() if k != name})) is None


@pytest.mark.asvs("9.1.1")
def test_a_token_of_a_strangers_key_is_refused(signer: Core) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    for kid in (active_kid(signer), "sig_unknown"):
        assert read(signer, jwt.encode(CLAIMS, stranger, "ES256", {"typ": "at+jwt", "kid": kid})) is None
    own = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(stranger.public_key()))
    assert read(signer, jwt.encode(CLAIMS, stranger, "ES256", {"typ": "at+jwt", "jwk": own})) is None


def test_what_was_signed_is_read_long_before_and_after_its_time(signer: Core) -> None:
    for at in (0, int(time.time()) + 10**9):
        assert read(signer, signed(signer, CLAIMS | {"iat": at, "exp": at})) is not None


@pytest.mark.spec("RFC 7519 §4.1.4")
@pytest.mark.parametrize(
    "times",
    [
        (1, 1 + 86_401),
        (2, 1),
        (0, 2**63),
        (10**18, 10**18 + 60),
        (-(10**18), 60),
        (1.5, 2),
        (True, 2),
        ("1", 2),
        (1, None),
    ],
)
def test_a_lifetime_that_this_server_never_gives_is_refused(signer: Core, times: tuple[Any, Any]) -> None:
    key, (iat, exp) = active_private_key(signer), times
    payload = json.dumps(CLAIMS | {"iat": iat, "exp": exp}).encode()
    token = jwt.api_jws.encode(payload, key, "ES256", {"typ": "at+jwt", "kid": active_kid(signer)})
    assert read(signer, token) is None


def test_the_longest_lifetime_of_a_resource_is_accepted(signer: Core) -> None:
    assert read(signer, signed(signer, CLAIMS | {"iat": 1, "exp": 1 + 86_400})) is not None


@pytest.mark.asvs("11.6.1")
@pytest.mark.spec("RFC 7517 §4")
def test_only_public_parts_are_published_each_with_its_use(signer: Core) -> None:
    for key in published(signer):
        assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")


def test_making_keys_again_makes_none(empty_core: Core) -> None:
    before = states(empty_core)
    with empty_core.store.transaction() as session:
        empty_core.actions.signing_keys.ensure(session, empty_core.clock())
    assert states(empty_core) == before
    assert sorted(before.values()) == ["active", "next"]


@pytest.mark.asvs("2.3.1")
def test_a_key_is_published_before_it_signs(empty_core: Core) -> None:
    seen = {key["kid"] for key in published(empty_core)}
    for _ in range(3):
        kid = rotate(empty_core)
        assert kid in seen
        assert jwt.get_unverified_header(signed(empty_core))["kid"] == kid == published(empty_core)[0]["kid"]
        seen = {key["kid"] for key in published(empty_core)}
        assert sorted(states(empty_core).values()).count("active") == 1


@pytest.mark.contract("the retiring key stays until its last token ended", "what a retired key signed has ended")
def test_old_tokens_verify_until_the_last_of_them_has_expired(empty_core: Core) -> None:
    core = empty_core
    token, old = signed(core), active_kid(core)
    rotate(core)
    assert states(core)[old] == "retiring" and read(core, token) is not None
    core.clock.now = START + RETIRING - timedelta(microseconds=1)
    assert old in {key["kid"] for key in published(core)}
    core.clock.now = START + RETIRING
    assert old not in {key["kid"] for key in published(core)}
    rotate(core)
    assert old not in states(core)
    fresh = SigningKeys("k" * 40)  # as another process that never saw the key
    with core.store.connection() as connection:
        assert fresh.read(connection, token, ISSUER) is None


@pytest.mark.contract("the retiring key stays until its last token ended")
def test_a_key_stays_longer_than_any_token_it_can_have_signed() -> None:
    assert timedelta(seconds=86_400) < RETIRING


def test_another_process_follows_a_rotation_at_once(empty_core: Core) -> None:
    other = SigningKeys("k" * 40)
    with empty_core.store.connection() as connection:
        other.sign(connection, CLAIMS)
        kid = rotate(empty_core)
        assert jwt.get_unverified_header(other.sign(connection, CLAIMS))["kid"] == kid
        found = other.read(connection, signed(empty_core), ISSUER)
        assert found is not None and found.claims == CLAIMS


@pytest.mark.asvs("11.2.2", "11.3.2")
def test_private_keys_are_sealed_under_the_secret_key(empty_core: Core) -> None:
    with empty_core.store.connection() as connection:
        empty_core.actions.signing_keys.check_seal(connection)
        with pytest.raises(BadSettings, match="SECRET_KEY does not open") as refusal:
            SigningKeys("another secret key of enough length!").check_seal(connection)
    assert refusal.value.__cause__ is None and "\n" not in str(refusal.value)
    key = active_private_key(empty_core)
    raw = key.private_numbers().private_value.to_bytes(32, "big")
    assert raw not in empty_core.database.dump()


def active_private_key(core: Core) -> ec.EllipticCurvePrivateKey:
    with core.store.connection() as connection:
        return core.actions.signing_keys._active(connection)[1]
