"""How a client authenticates, and how it is refused."""

import base64
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import func, select, update

from app.models import ClientSecret, UsedAssertion
from tests.oauth.wire import ISSUER, Wire, asserted, b64, keyed, public_jwk, refused

DEEP = b"[" * 3000 + b"]" * 3000  # few characters, many levels


def compact(header: Any, payload: Any, signature: str = "AAAA") -> Any:
    """Return a JWT of these parts as the parameters of an assertion."""
    return asserted(f"{b64(header)}.{b64(payload)}.{signature}")


# --- secrets


@pytest.mark.spec("RFC 6749 §2.3.1")
def test_the_registered_way_to_send_a_secret_is_not_enforced(wire: Wire) -> None:
    client_id, secret = wire.robot
    assert wire.token((client_id, secret)).status_code == 200
    assert wire.token(client_id=client_id, client_secret=secret).status_code == 200


@pytest.mark.spec("RFC 6749 §2.3.1")
def test_both_parts_of_basic_are_form_decoded(wire: Wire) -> None:
    wire.core.client("a b+c%d:é", "worker")
    secret = wire.core.client_secret("a b+c%d:é")
    assert wire.token((quote_plus("a b+c%d:é"), quote_plus(secret))).status_code == 200


@pytest.mark.spec("RFC 6749 §2.3")
def test_two_methods_at_once_are_refused_and_the_same_client_id_is_one(wire: Wire) -> None:
    client_id, secret = wire.robot
    assert wire.token(wire.robot, client_id=client_id).status_code == 200
    refused(wire.token(wire.robot, client_id="shop"), 400, "invalid_request")
    refused(wire.token(wire.robot, client_id=client_id, client_secret=secret), 400, "invalid_request")
    refused(wire.token(wire.robot, **wire.assertion()), 400, "invalid_request")
    refused(wire.token(client_id=client_id, client_secret=secret, **wire.assertion()), 400, "invalid_request")


@pytest.mark.spec("RFC 6749 §5.2")
def test_the_basic_challenge_comes_only_when_basic_was_tried(wire: Wire) -> None:
    tried = wire.token(("robot", "wrong"))
    assert tried.headers["WWW-Authenticate"].startswith('Basic realm="')
    for response in (wire.token(), wire.token(client_id="robot", client_secret="wrong"), wire.token(**asserted("x"))):
        refused(response, 401, "invalid_client")
        assert "WWW-Authenticate" not in response.headers


@pytest.mark.contract("`/clients/{id}/secrets`: name, end, hint, once; at most five live")
def test_each_live_secret_works_and_no_other(wire: Wire) -> None:
    wire.core.client("many", "worker")
    now = wire.core.clock()
    first, second = wire.core.client_secret("many"), wire.core.client_secret("many", name="second")
    expired = wire.core.client_secret("many", expires_at=now)
    revoked = wire.core.client_secret("many", revoked_at=now)
    limited = wire.core.client_secret("many", expires_at=now + timedelta(seconds=1))
    assert [wire.token(("many", secret)).status_code for secret in (first, second, limited)] == [200] * 3
    for secret in (expired, revoked, "", wire.robot[1]):
        refused(wire.token(("many", secret)), 401, "invalid_client")


@pytest.mark.spec("RFC 7523 §2.2")
def test_a_client_registered_for_keys_never_uses_a_secret_it_still_has(wire: Wire) -> None:
    secret = wire.core.client_secret("keyed")
    refused(wire.token(("keyed", secret)), 401, "invalid_client")
    refused(wire.token(client_id="keyed", client_secret=secret), 401, "invalid_client")


def test_a_stored_digest_does_not_work_as_a_secret(wire: Wire) -> None:
    with wire.core.store.reading() as session:
        for digest in session.scalars(select(ClientSecret.digest)):
            refused(wire.token(("robot", digest)), 401, "invalid_client")


def test_a_client_disabled_a_moment_ago_is_refused(wire: Wire) -> None:
    wire.core.client("fickle", "worker")
    pair = ("fickle", wire.core.client_secret("fickle"))
    assert wire.token(pair).status_code == 200
    wire.core.enable("fickle", False)
    refused(wire.token(pair), 401, "invalid_client")


def test_a_failure_leaves_a_bounded_trace_without_a_secret(wire: Wire) -> None:
    before = len(wire.core.trace("authentication.fail"))
    for pair in (("robot", "s3cret-one"), ("n\x00body" + "x" * 9000, "s3cret-two"), ("ünbekannt", "s3cret-three")):
        wire.token(pair)
    wire.token(**wire.assertion(aud="https://elsewhere.example"))
    events = wire.core.trace("authentication.fail")[before:]
    assert [event.target_type for event in events] == ["client"] * 4
    assert events[0].target == "robot" and events[0].address == "127.0.0.1" and events[0].request_id
    assert all(len(event.target) <= 200 for event in events)
    assert "s3cret" not in repr([(e.target, e.details, e.actor, e.actor_name) for e in events])
    wire.token()  # nobody tried to be anybody
    assert len(wire.core.trace("authentication.fail")) == before + 4


# --- assertions


@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize("endpoint", ["token", "introspect", "revoke"])
def test_the_audience_is_the_issuer_or_the_endpoint_called(wire: Wire, endpoint: str) -> None:
    form = {"grant_type": "client_credentials", "scope": "orders:read", "token": "x"}
    own, other = f"{ISSUER}/oauth/{endpoint}", f"{ISSUER}/oauth/elsewhere"
    for right in (ISSUER, own, [ISSUER], [other, own]):
        assert wire.post(endpoint, form | wire.assertion(aud=right)).status_code == 200
    wrong: list[Any] = [other, [], [other], {"a": own}, 7, None, ISSUER + "/", "robot", [{}, []]]
    for aud in wrong:
        refused(wire.post(endpoint, form | wire.assertion(aud=aud)), 401, "invalid_client")


@pytest.mark.asvs("9.2.1")
@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize(("seconds", "status"), [(-31, 401), (-29, 200), (3600, 200), (3629, 200), (3632, 401)])
def test_an_assertion_ends_within_an_hour_by_our_clock(wire: Wire, seconds: int, status: int) -> None:
    exp = int(wire.core.clock().timestamp()) + seconds + (1 if seconds < 0 else 0)
    assert wire.token(**wire.assertion(exp=exp)).status_code == status


@pytest.mark.asvs("9.2.1")
@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize(
    "wrong",
    [
        {"exp": None}, {"exp": "1"}, {"exp": True}, {"exp": 10**300}, {"exp": float("nan")}, {"exp": float("inf")},
        {"jti": None}, {"jti": ""}, {"jti": 7}, {"iss": None}, {"iss": "robot"}, {"iss": ["keyed"]},
        {"sub": None}, {"sub": ["keyed"]}, {"sub": "robot"}, {"sub": "nobody", "iss": "nobody"},
        {"nbf": "x"}, {"iat": True}, {"iat": float("nan")},
    ],
)  # fmt: skip
def test_a_wrong_claim_is_a_failed_authentication(wire: Wire, wrong: dict[str, Any]) -> None:
    payload = json.dumps(wire.claims(**wrong)).encode()
    signed = f"{b64({'alg': 'ES256', 'kid': 'k1'})}.{b64(payload)}"
    signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(signed.encode(), wire.key)
    refused(wire.token(**asserted(f"{signed}.{b64(signature)}")), 401, "invalid_client")


@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (DEEP, {"sub": "keyed"}),
        ({"alg": "ES256", "kid": "k1"}, b'{"sub":"keyed","x":' + DEEP + b"}"),
        ({"alg": "ES256", "kid": "k1"}, b'{"sub":"keyed","x":' + b"9" * 5000 + b"}"),
        ({"alg": "ES256", "kid": "k1", "crit": 1}, {"sub": "keyed"}),
        ({"alg": "ES256", "kid": "k1", "crit": [[1]]}, {"sub": "keyed"}),
        ({"alg": "ES256", "kid": "k1", "crit": ["b64"], "b64": False}, {"sub": "keyed"}),
        ({"alg": ["ES256"], "kid": "k1"}, {"sub": "keyed"}),
        ({"alg": "ES256", "kid": ["k1"]}, {"sub": "keyed"}),
        ({"alg": "ES256", "kid": {"k": 1}}, {"sub": "keyed"}),
        ({"alg": "RS256", "kid": "k1"}, {"sub": "keyed"}),
        ({"alg": "EdDSA"}, {"sub": "keyed"}),
        ({"alg": "none"}, {"sub": "keyed"}),
        ([1], {"sub": "keyed"}),
        (b"\xff", {"sub": "keyed"}),
        ({"alg": "ES256"}, b"\xff"),
        ({"alg": "ES256"}, b'{"sub":"\\ud800"}'),
        ({"alg": "ES256"}, [1]),
    ],
)
def test_strange_json_is_a_failed_authentication(wire: Wire, header: Any, payload: Any) -> None:
    for signature in ("AAAA", "", "A" * 90):
        refused(wire.token(**compact(header, payload, signature)), 401, "invalid_client")


@pytest.mark.parametrize("text", ["x", "a.b", "a.b.c.d", "é.é.é", "\x00", "..", "e30.e30.", "x" * 100_000])
def test_a_malformed_jwt_is_a_failed_authentication(wire: Wire, text: str) -> None:
    refused(wire.token(**asserted(text)), 401, "invalid_client")


@pytest.mark.spec("RFC 7523 §2.2")
def test_half_an_assertion_is_a_failed_authentication(wire: Wire) -> None:
    whole = wire.assertion()
    for name in whole:
        refused(wire.token(**{name: whole[name]}), 401, "invalid_client")
    refused(wire.token(**whole | {"client_assertion_type": "urn:other"}), 401, "invalid_client")


@pytest.mark.spec("RFC 7523 §3")
def test_a_client_id_beside_it_is_the_same_or_empty(wire: Wire) -> None:
    assert wire.token(client_id="keyed", **wire.assertion()).status_code == 200
    assert wire.token(client_id="", **wire.assertion()).status_code == 200
    refused(wire.token(client_id="robot", **wire.assertion()), 401, "invalid_client")


@pytest.mark.spec("RFC 7523 §3")
def test_a_used_assertion_is_kept_as_a_digest_until_it_has_expired(wire: Wire) -> None:
    form = wire.assertion(jti="remember-me")
    assert wire.token(**form).status_code == 200
    refused(wire.token(**form), 401, "invalid_client")
    with wire.core.store.transaction() as session:
        kept = session.scalars(select(UsedAssertion)).all()
        assert not any("remember-me" in row.jti_digest for row in kept)
        session.execute(update(UsedAssertion).values(expires_at=wire.core.clock()))
    assert wire.token(**wire.assertion()).status_code == 200
    with wire.core.store.reading() as session:
        assert session.scalar(select(func.count()).select_from(UsedAssertion)) == 1


@pytest.mark.spec("RFC 7523 §3")
def test_a_refused_assertion_uses_up_no_jti(wire: Wire) -> None:
    now = int(wire.core.clock().timestamp())
    refused(wire.token(**wire.assertion(jti="again", exp=now + 90_000)), 401, "invalid_client")
    assert wire.token(**wire.assertion(jti="again")).status_code == 200


@pytest.mark.parametrize("jwks", [{"keys": []}, {"keys": [{}]}, {"keys": [{"kty": "oct", "k": "AAAA"}]}, {}, None])
def test_a_client_without_a_usable_key_is_refused(wire: Wire, jwks: Any) -> None:
    name = f"keyless {jwks}"
    keyed(wire.core, name, jwks)
    refused(wire.token(**wire.assertion(iss=name, sub=name)), 401, "invalid_client")


def test_a_key_registered_for_another_use_is_still_the_clients(wire: Wire) -> None:
    keyed(wire.core, "annotated", {"keys": [public_jwk(wire.key, "k1") | {"use": "sig", "key_ops": ["verify"]}]})
    answer = wire.token(**wire.assertion(iss="annotated", sub="annotated"))
    assert answer.status_code == 400  # authenticated: it is only without a role


@pytest.mark.asvs("RFC 8725 §3.11–3.12")
@pytest.mark.spec("RFC 8725 §3.11")
@pytest.mark.parametrize(
    ("type_", "status"),
    [
        ("at+jwt", 401),
        ("dpop+jwt", 401),
        ("application/AT+JWT", 401),
        ("token-introspection+jwt", 401),
        ("JWT", 200),
        ("application/jwt", 200),
        ("client-authentication+jwt", 200),
    ],
)
def test_a_token_of_another_type_is_not_an_assertion(wire: Wire, type_: str, status: int) -> None:
    assert wire.token(**wire.assertion({"typ": type_})).status_code == status


# --- keys behind a jwks_uri

AUTHENTICATED = 400  # it is only without a role
Publish = Callable[..., str]
ODD: list[Any] = [
    5,
    None,
    [],
    {"kid": "k1"},
    {"kty": "EC", "crv": "P-256", "kid": "k1", "x": "AA", "y": "AA"},
    {"kty": "EC", "crv": "P-256", "kid": "k1", "x": 7},
    {"kty": "RSA", "kid": "k1", "n": "+/+/", "e": "=="},
    {"kty": ["RSA"], "kid": ["k1"]},
    {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "k1"},
]


@pytest.fixture
def publish(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Register a client whose jwks_uri answers with these keys; gives its client_id."""
    sets: dict[str, Any] = {}
    monkeypatch.setattr(type(wire.core.actions.fetch_jwks), "_fetch", lambda self, uri: sets[uri])

    def make(*keys: Any) -> str:
        client_id = uuid.uuid4().hex
        sets[f"https://keys.example/{client_id}"] = {"keys": list(keys)}
        keyed(wire.core, client_id, jwks_uri=f"https://keys.example/{client_id}")
        return client_id

    return make


def other_keys(number: int) -> list[Any]:
    """Make public keys of nobody."""
    return [public_jwk(ec.generate_private_key(ec.SECP256R1()), f"other-{n}") for n in range(number)]


@pytest.mark.spec("RFC 7518 §3.3")
@pytest.mark.filterwarnings("ignore:The RSA key")
@pytest.mark.parametrize(("bits", "status"), [(1024, 401), (2048, AUTHENTICATED)])
def test_a_key_that_is_too_weak_to_be_registered_is_as_weak_behind_a_uri(
    wire: Wire, publish: Publish, bits: int, status: int
) -> None:
    key = rsa.generate_private_key(65537, bits)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    client_id = publish({name: public[name] for name in ("kty", "n", "e")} | {"kid": "k1"})
    signed = jwt.encode(wire.claims(iss=client_id, sub=client_id), key, "RS256", {"kid": "k1"})
    assert wire.token(**asserted(signed)).status_code == status


@pytest.mark.spec("RFC 7517 §4.2")
def test_a_key_for_encryption_or_with_a_published_private_part_signs_nothing(wire: Wire, publish: Publish) -> None:
    public = public_jwk(wire.key, "k1")
    for wrong in ({"use": "enc"}, {"key_ops": ["encrypt"]}, {"alg": "RS256"}, {"d": "AAAA"}):
        client_id = publish(public | wrong)
        refused(wire.token(**wire.assertion(iss=client_id, sub=client_id)), 401, "invalid_client")


@pytest.mark.spec("RFC 7517 §5")
@pytest.mark.parametrize("odd", ODD, ids=str)
def test_an_odd_key_beside_a_good_one_is_passed_over(wire: Wire, publish: Publish, odd: Any) -> None:
    client_id = publish(odd, public_jwk(wire.key, "k1"))
    assert wire.token(**wire.assertion(iss=client_id, sub=client_id)).status_code == AUTHENTICATED
    client_id = publish(odd)
    refused(wire.token(**wire.assertion(iss=client_id, sub=client_id)), 401, "invalid_client")


@pytest.mark.spec("RFC 7515 §4.1.4")
@pytest.mark.parametrize(("before", "status"), [(0, AUTHENTICATED), (4, AUTHENTICATED), (5, 401)])
def test_without_a_kid_a_handful_of_fitting_keys_is_tried(
    wire: Wire, publish: Publish, before: int, status: int
) -> None:
    rsa_key = rsa.generate_private_key(65537, 2048).public_key()
    unfit = [jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key, as_dict=True) for _ in range(6)]
    client_id = publish(*unfit, *other_keys(before), public_jwk(wire.key, "k1"), *other_keys(2))
    signed = jwt.encode(wire.claims(iss=client_id, sub=client_id), wire.key, "ES256")
    assert wire.token(**asserted(signed)).status_code == status
    assert wire.token(**wire.assertion(iss=client_id, sub=client_id)).status_code == AUTHENTICATED


def test_bearer_and_other_schemes_do_not_authenticate_a_client(wire: Wire) -> None:
    for header in (f"Bearer {wire.bearer}", "Digest x", "Negotiate " + base64.b64encode(b"robot:x").decode()):
        response = wire.post("token", {"grant_type": "client_credentials"}, headers={"Authorization": header})
        refused(response, 401, "invalid_client")
