"""A key in the header of a JWT is ignored, and an early JWT is refused: ASVS 5.0.0 V9, RFC 8725 §3.10."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.core import contents
from tests.oauth.wire import GRANT, Wire, asserted, start_wire, stop_wire

ACCESS_TOKEN = {"typ": "at+jwt"}


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    made = start_wire(tmp_path_factory.mktemp("foreign"), allow_private_jwks_uri=True)
    yield made
    stop_wire(made)


@pytest.fixture(scope="module")
def stranger() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def lure() -> Iterator[socket.socket]:
    """Listen where the headers of forged tokens point to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        yield listener


def pointing(lure: socket.socket, key: ec.EllipticCurvePrivateKey) -> list[dict[str, Any]]:
    """Return the header members that carry a key or say where it is (RFC 7515 §4.1)."""
    url = f"http://127.0.0.1:{lure.getsockname()[1]}/keys"
    own = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    own.pop("key_ops", None)
    return [
        {"jwk": own},
        {"jku": url},
        {"x5u": url},
        {"x5c": ["MIIBszCCAVmgAwIBAgIU"]},
        {"kid": url},
        {"kid": "../../dev/null"},
        {"kid": "' OR 1=1 --"},
        {"kid": None},
        {"b64": False, "crit": ["b64"]},
        {"crit": ["exp"], "jwk": own},
        {"crit": []},
    ]


def was_contacted(lure: socket.socket) -> bool:
    try:
        lure.accept()[0].close()
    except TimeoutError:
        return False
    return True


@pytest.mark.asvs("9.1.3")
@pytest.mark.contract("a JWT that contains its own key is refused")
@pytest.mark.spec("RFC 8725 §3.10")
def test_a_token_that_brings_its_key_along_is_refused(
    wire: Wire, stranger: ec.EllipticCurvePrivateKey, lure: socket.socket
) -> None:
    good = wire.token(wire.robot).json["access_token"]
    kid = jwt.get_unverified_header(good)["kid"]
    for named in pointing(lure, stranger):
        header = {name: value for name, value in ({"kid": kid} | ACCESS_TOKEN | named).items() if value is not None}
        forged = jwt.encode(contents(good), stranger, "ES256", header)
        assert wire.introspect(forged) == {"active": False}, named
        assert wire.ask(Authorization=f"Bearer {forged}").status_code == 401, named
    assert not was_contacted(lure)


@pytest.mark.asvs("9.1.3")
@pytest.mark.contract("a JWT that contains its own key is refused")
@pytest.mark.spec("RFC 8725 §3.10")
def test_an_assertion_that_brings_its_key_along_is_refused(
    wire: Wire, stranger: ec.EllipticCurvePrivateKey, lure: socket.socket
) -> None:
    for named in pointing(lure, stranger):
        header = {name: value for name, value in ({"kid": "k1"} | named).items() if value is not None}
        forged = jwt.encode(wire.claims(), stranger, "ES256", header)
        answer = wire.post("token", GRANT | asserted(forged))
        assert (answer.status_code, answer.json["error"]) == (401, "invalid_client"), named
    assert not was_contacted(lure)
    assert wire.token(**wire.assertion()).status_code == 200


def test_what_a_header_demands_and_nobody_knows_is_refused(wire: Wire) -> None:
    """RFC 7515 §4.1.11: even where the signature is good."""
    answer = wire.token(**wire.assertion({"crit": ["unheard"], "unheard": 1}))
    assert answer.status_code == 401


@pytest.mark.asvs("9.2.1")
@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_of_the_future_is_refused(wire: Wire, claim: str) -> None:
    ahead = int(wire.core.clock().timestamp()) + 120
    assert wire.token(**wire.assertion(**{claim: ahead})).status_code == 401
    assert wire.token(**wire.assertion(**{claim: ahead - 120})).status_code == 200
