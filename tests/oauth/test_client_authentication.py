"""How a client proves who it is, and how it is refused."""

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

import jwt
import pytest
from sqlalchemy import func, select, update

from app.models import ClientSecret, UsedAssertion
from tests.oauth.wire import ISSUER, Wire, asserted, b64, keyed, public_jwk, refused

DEEP = b"[" * 3000 + b"]" * 3000  # few characters, many levels


def compact(header: Any, payload: Any, signature: str = "AAAA") -> Any:
    """Give a JWT of these parts as the parameters of an assertion."""
    return asserted(f"{b64(header)}.{b64(payload)}.{signature}")


# --- secrets


@pytest.mark.spec("RFC 6749 §2.3.1")
def test_a_registered_way_to_send_a_secret_binds_nobody(wire: Wire) -> None:
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


def test_a_stored_digest_is_no_secret(wire: Wire) -> None:
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


@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize(("seconds", "status"), [(-31, 401), (-29, 200), (3600, 200), (3629, 200), (3632, 401)])
def test_an_assertion_ends_within_an_hour_by_our_clock(wire: Wire, seconds: int, status: int) -> None:
    exp = int(wire.core.clock().timestamp()) + seconds + (1 if seconds < 0 else 0)
    assert wire.token(**wire.assertion(exp=exp)).status_code == status


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
def test_what_is_no_jwt_is_a_failed_authentication(wire: Wire, text: str) -> None:
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


def test_bearer_and_other_schemes_are_no_client_authentication(wire: Wire) -> None:
    for header in (f"Bearer {wire.bearer}", "Digest x", "Negotiate " + base64.b64encode(b"robot:x").decode()):
        response = wire.post("token", {"grant_type": "client_credentials"}, headers={"Authorization": header})
        refused(response, 401, "invalid_client")
