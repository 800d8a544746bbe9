"""A JWT of somebody else: which headers are accepted, and that one of the keys must have signed it."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from app.crypto.foreign_jwt import read_signed_claims

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
CLAIMS = {"sub": "robot"}


def public(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    return dict(json.loads(ECAlgorithm.to_jwk(key.public_key())))


def signed(**header: Any) -> str:
    return jwt.encode(CLAIMS, KEY, "ES256", header)


def test_one_of_the_keys_must_have_signed_it() -> None:
    assert read_signed_claims(signed(), [public(OTHER), public(KEY)]) == CLAIMS
    assert read_signed_claims(signed(), [public(OTHER)]) is None
    assert read_signed_claims(signed(), []) is None


def test_a_key_that_does_not_fit_is_passed_over() -> None:
    edwards = json.loads(OKPAlgorithm.to_jwk(EDWARDS.public_key()))
    assert read_signed_claims(signed(), [edwards, {"kty": "EC"}, {}, public(KEY)]) == CLAIMS
    assert read_signed_claims(jwt.encode(CLAIMS, EDWARDS, "EdDSA"), [public(KEY), edwards]) == CLAIMS


@pytest.mark.parametrize("algorithm", ["HS256", "ES384", "none"])
def test_other_algorithms_are_refused(algorithm: str) -> None:
    key = {"HS256": "k" * 40, "ES384": ec.generate_private_key(ec.SECP384R1()), "none": None}[algorithm]
    token = jwt.encode(CLAIMS, key, algorithm)  # type: ignore[arg-type]
    assert read_signed_claims(token, [public(KEY)]) is None


@pytest.mark.spec("RFC 7515 §4.1")
@pytest.mark.parametrize(
    "header",
    [{"jku": 1}, {"jku": "file:///keys"}, {"jwk": []}, {"x5c": "MII"}, {"x5c": [1]}, {"x5t": 1}, {"cty": 1}],
    ids=str,
)
def test_a_header_parameter_of_another_type_is_refused(header: dict[str, Any]) -> None:
    for other_parameters in (False, True):
        assert read_signed_claims(signed(**header), [public(KEY)], other_parameters=other_parameters) is None


def test_an_unknown_header_parameter_is_accepted_only_where_it_is_allowed() -> None:
    token = signed(x5t="thumbprint", tenant="one")
    assert read_signed_claims(token, [public(KEY)]) is None
    assert read_signed_claims(token, [public(KEY)], other_parameters=True) == CLAIMS


@pytest.mark.spec("RFC 7515 §4.1.11")
@pytest.mark.parametrize("header", [{"crit": ["tenant"], "tenant": "one"}, {"crit": ["b64"]}, {"crit": []}], ids=str)
def test_a_critical_parameter_that_is_not_understood_is_refused(header: dict[str, Any]) -> None:
    assert read_signed_claims(signed(**header), [public(KEY)], other_parameters=True) is None


@pytest.mark.parametrize("token", ["", "a.b.c", "a.b", "\ud800.b.c", "e30.e30.", "x" * 20_000], ids=repr)
def test_what_is_not_a_jwt_has_no_claims(token: str) -> None:
    assert read_signed_claims(token, [public(KEY)]) is None
