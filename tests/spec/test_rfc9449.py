"""RFC 9449: DPoP. A token is bound to a key, and useless without it."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import update

from app.models import Client, UsedProof
from tests.core import ISSUER, ORDERS, contents
from tests.dpop import MAKERS, Prover, ath, rsa_key
from tests.oauth.wire import ANY_TYPE, EXCHANGE, OWN, Wire, refused, start_wire, stop_wire

pytestmark = pytest.mark.both_databases

TOKEN = f"{ISSUER}/oauth/token"
API = "https://orders.example/orders/7"
GATEWAY = {"X_Original_Method": "GET", "X_Original_URL": f"{API}?page=2"}
ALGS = "ES256 RS256 PS256 EdDSA Ed25519"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A server that demands its nonce, and has an issuer with a path."""
    made = start_wire(tmp_path_factory.mktemp("strict"), dpop_nonce="required", issuer="https://id.example/auth")
    yield made
    stop_wire(made)


def with_proof(proof: str) -> dict[str, Any]:
    return {"headers": {"DPoP": proof}}


def grant(wire: Wire, proof: str, auth: Any = None, **form: str) -> Any:
    asked = {"grant_type": "client_credentials", "resource": ORDERS} | form
    return wire.post("token", asked, auth or wire.robot, **with_proof(proof))


def exchanged(wire: Wire, subject: str, proof: str) -> Any:
    asked = {"grant_type": EXCHANGE, "subject_token": subject, "subject_token_type": ANY_TYPE}
    return wire.post("token", asked, **with_proof(proof))


def bound_token(wire: Wire, prover: Prover, **form: str) -> str:
    answer = grant(wire, prover.proof("POST", TOKEN), **form)
    assert answer.status_code == 200, answer.text
    return str(answer.json["access_token"])


def opened(wire: Wire, token: str, proof: str | None, scheme: str = "DPoP", **headers: str) -> Any:
    """Call forward-auth as a gateway that names a GET of API."""
    told = GATEWAY | headers | ({"DPoP": proof} if proof else {})
    return wire.ask(Authorization=f"{scheme} {token}", **told)


def challenged(answer: Any, error: str) -> str:
    """Assert a 401 under the DPoP scheme, and give its description."""
    assert answer.status_code == 401, answer.text
    assert answer.headers["WWW-Authenticate"] == f'DPoP realm="latchkey", error="{error}", algs="{ALGS}"'
    return str(answer.json["error_description"])


@pytest.mark.asvs("RFC 9700 §2.2.1")
@pytest.mark.contract("a stolen token is of no use: DPoP binds it to a key, in both grants")
@pytest.mark.spec("RFC 9449 §5", "RFC 9449 §6.1", "RFC 7638 §3")
@pytest.mark.parametrize("alg", MAKERS)
def test_a_token_asked_for_with_a_proof_is_bound_to_its_key(wire: Wire, alg: str) -> None:
    prover = Prover(lambda: wire.core.clock().timestamp(), alg)
    answer = grant(wire, prover.proof("POST", TOKEN))
    assert answer.status_code == 200, answer.text
    assert answer.json["token_type"] == "DPoP"
    assert contents(answer.json["access_token"])["cnf"] == {"jkt": prover.jkt}
    assert "DPoP-Nonce" not in answer.headers


@pytest.mark.spec("RFC 9449 §6.2")
def test_introspection_returns_the_key_and_the_token_type(wire: Wire, prover: Prover) -> None:
    told = wire.introspect(bound_token(wire, prover), wire.shop)
    assert told["cnf"] == {"jkt": prover.jkt} and told["token_type"] == "DPoP"
    plain = wire.introspect(wire.token(wire.robot).json["access_token"])
    assert "cnf" not in plain and plain["token_type"] == "Bearer"


@pytest.mark.asvs("10.4.14")
@pytest.mark.contract("a stolen token is of no use: DPoP binds it to a key, in both grants")
@pytest.mark.spec("RFC 9449 §5", "RFC 8693 §2.2.1")
def test_an_exchange_with_a_proof_gives_a_bound_token(wire: Wire, prover: Prover) -> None:
    for subject in (wire.core.pat("alice", "orders:read", name=prover.jkt)[1], wire.core.key()[1]):
        answer = exchanged(wire, subject, prover.proof("POST", TOKEN))
        assert answer.json["token_type"] == "DPoP"
        token = answer.json["access_token"]
        assert wire.introspect(token)["cnf"] == {"jkt": prover.jkt}
        assert opened(wire, token, prover.proof("GET", API, token)).status_code == 200
        assert opened(wire, token, None, "Bearer").status_code == 401
        told = wire.introspect(subject)  # the credential itself stays what it was
        assert told["token_type"] == "Bearer" and "cnf" not in told


def hmac_proof(prover: Prover) -> str:
    header = {"typ": "dpop+jwt", "jwk": {"kty": "oct", "k": "c2VjcmV0" * 8}}
    return jwt.encode(contents(prover.proof("POST", TOKEN)), "s" * 48, "HS256", header)


def unsigned(prover: Prover) -> str:
    return f"{prover.proof('POST', TOKEN).rpartition('.')[0]}."


def private(prover: Prover) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(prover.key))
    return {name: whole[name] for name in ("kty", "crv", "x", "y", "d")}


Make = Callable[[Prover], str]
BAD: dict[str, Make] = {
    "nothing": lambda p: "",
    "no JWT": lambda p: "proof",
    "two in one header": lambda p: f"{p.proof('POST', TOKEN)}, {p.proof('POST', TOKEN)}",
    "another typ": lambda p: p.proof("POST", TOKEN, header={"typ": "jwt"}),
    "symmetric": hmac_proof,
    "unsigned": unsigned,
    "alg none": lambda p: jwt.encode({"htm": "POST"}, "", "none", {"typ": "dpop+jwt", "jwk": p.jwk}),
    "no key": lambda p: p.proof("POST", TOKEN, header={"jwk": None}),
    "a key that is not an object": lambda p: p.proof("POST", TOKEN, header={"jwk": "key"}),
    "a private key": lambda p: p.proof("POST", TOKEN, header={"jwk": private(p)}),
    "a private member without a value": lambda p: p.proof("POST", TOKEN, header={"jwk": p.jwk | {"d": ""}}),
    "a key off its curve": lambda p: p.proof("POST", TOKEN, header={"jwk": p.jwk | {"x": p.jwk["y"]}}),
    "a number for a coordinate": lambda p: p.proof("POST", TOKEN, header={"jwk": p.jwk | {"x": 7}}),
    "another's key": lambda p: p.proof("POST", TOKEN, header={"jwk": Prover(p.now).jwk}),
    "a key of another type": lambda p: p.proof("POST", TOKEN, header={"jwk": Prover(p.now, "EdDSA").jwk}),
    "a critical extension": lambda p: p.proof("POST", TOKEN, header={"crit": ["x"], "x": 1}),
    "another method": lambda p: p.proof("GET", TOKEN),
    "a method in small letters": lambda p: p.proof("post", TOKEN),
    "another URL": lambda p: p.proof("POST", f"{ISSUER}/oauth/introspect"),
    "another host": lambda p: p.proof("POST", "https://evil.example/oauth/token"),
    "another scheme": lambda p: p.proof("POST", TOKEN.replace("https", "http")),
    "another port": lambda p: p.proof("POST", TOKEN.replace(".example", ".example:8443")),
    "a user in the URL": lambda p: p.proof("POST", TOKEN.replace("//", "//x@")),
    "no URL": lambda p: p.proof("POST", "/oauth/token"),
    "a broken URL": lambda p: p.proof("POST", "https://[/oauth/token"),
    "no htm": lambda p: p.proof("POST", TOKEN, htm=None),
    "no htu": lambda p: p.proof("POST", TOKEN, htu=None),
    "no jti": lambda p: p.proof("POST", TOKEN, jti=None),
    "no iat": lambda p: p.proof("POST", TOKEN, iat=None),
    "iat as text": lambda p: p.proof("POST", TOKEN, iat="now"),
    "iat true": lambda p: p.proof("POST", TOKEN, iat=True),
    "iat without end": lambda p: p.proof("POST", TOKEN, iat=float("inf")),
    "iat no number": lambda p: p.proof("POST", TOKEN, iat=float("nan")),
    "iat beyond numbers": lambda p: p.proof("POST", TOKEN, iat=10**400),
    "a key of halves of characters": lambda p: p.proof("POST", TOKEN, header={"jwk": p.jwk | {"x": "\ud800"}}),
    "iat beyond time": lambda p: p.proof("POST", TOKEN, iat=10**30),
    "a number for jti": lambda p: p.proof("POST", TOKEN, jti=7),
    "an endless jti": lambda p: p.proof("POST", TOKEN, jti="x" * 3_000),
    "an endless proof": lambda p: p.proof("POST", TOKEN, more="x" * 9_000),
    "too old": lambda p: p.proof("POST", TOKEN, iat=int(p.now()) - 62),
    "from the future": lambda p: p.proof("POST", TOKEN, iat=int(p.now()) + 62),
}  # fmt: skip


@pytest.mark.asvs("9.1.2")
@pytest.mark.contract("a DPoP proof is valid for one key and one request, once, now")
@pytest.mark.spec("RFC 9449 §4.3", "RFC 9449 §5")
@pytest.mark.parametrize("name", BAD)
def test_a_proof_that_is_none_gives_no_token(wire: Wire, prover: Prover, name: str) -> None:
    refused(grant(wire, BAD[name](prover)), 400, "invalid_dpop_proof")
    refused(exchanged(wire, wire.core.key()[1], BAD[name](prover)), 400, "invalid_dpop_proof")


@pytest.mark.asvs("11.6.1")
@pytest.mark.spec("RFC 9449 §4.3")
def test_a_weak_key_and_a_curve_that_is_not_taken_prove_nothing(wire: Wire) -> None:
    now = lambda: wire.core.clock().timestamp()  # noqa: E731 - a clock is this short
    weak = Prover(now, "RS256", rsa.generate_private_key(65537, 1024))  # noqa: S505 - the point of it
    other = Prover(now, "ES256", ec.generate_private_key(ec.SECP384R1()))
    slow = Prover(now, "RS256", rsa_key(2**32 + 15))  # the larger the exponent, the longer it takes us to verify
    for proof in (*(p.proof("POST", TOKEN) for p in (weak, slow)), other.proof("POST", TOKEN, header={"alg": "ES384"})):
        refused(grant(wire, proof), 400, "invalid_dpop_proof")
    assert grant(wire, Prover(now, "RS256", rsa_key(257)).proof("POST", TOKEN)).status_code == 200


@pytest.mark.spec("RFC 8693 §2.2.2")
def test_without_a_valid_subject_token_no_proof_is_verified(wire: Wire) -> None:
    refused(exchanged(wire, wire.core.key()[1], "no proof"), 400, "invalid_dpop_proof")
    refused(exchanged(wire, "lk_key_" + "0" * 38, "no proof"), 400, "invalid_request")


@pytest.mark.spec("RFC 9449 §4.3", "RFC 3986 §6.2")
@pytest.mark.parametrize(
    "spelled",
    [f"{TOKEN}?x=1", f"{TOKEN}#x", TOKEN.replace("https://login", "HTTPS://LOGIN"),
     TOKEN.replace(".example", ".example:443"), TOKEN.replace("token", "%74oken")],
)  # fmt: skip
def test_a_url_is_compared_and_not_its_spelling(wire: Wire, prover: Prover, spelled: str) -> None:
    assert grant(wire, prover.proof("POST", spelled)).status_code == 200


@pytest.mark.contract("a DPoP proof is valid for one key and one request, once, now")
@pytest.mark.spec("RFC 9449 §11.1")
def test_a_proof_is_good_once_and_another_key_may_use_its_jti(wire: Wire, prover: Prover) -> None:
    proof = prover.proof("POST", TOKEN, jti="mine")
    assert grant(wire, proof).status_code == 200
    refused(grant(wire, proof), 400, "invalid_dpop_proof")
    refused(grant(wire, prover.proof("POST", TOKEN, jti="mine")), 400, "invalid_dpop_proof")
    assert grant(wire, Prover(prover.now).proof("POST", TOKEN, jti="mine")).status_code == 200


@pytest.mark.asvs("2.3.4", "10.3.5")
@pytest.mark.contract("a DPoP proof is valid for one key and one request, once, now")
@pytest.mark.spec("RFC 9449 §11.1")
def test_of_many_at_once_one_gets_in(wire: Wire, prover: Prover) -> None:
    token = bound_token(wire, prover)
    proof = prover.proof("GET", API, token)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: opened(wire, token, proof).status_code, range(6)))
    assert sorted(answers) == [200, *[401] * 5]


@pytest.mark.spec("RFC 9449 §11.1")
def test_who_is_refused_anyway_uses_nothing_up_and_what_is_over_is_forgotten(wire: Wire, prover: Prover) -> None:
    proof = prover.proof("POST", TOKEN)
    before = wire.core.count(UsedProof)
    refused(grant(wire, proof, ("robot", "wrong")), 401, "invalid_client")
    refused(grant(wire, proof, scope="unknown:scope"), 400, "invalid_scope")
    assert wire.core.count(UsedProof) == before
    assert grant(wire, proof).status_code == 200
    wire.core.clock.advance(seconds=200)
    assert grant(wire, prover.proof("POST", TOKEN)).status_code == 200
    assert wire.core.count(UsedProof) == 1


@pytest.mark.asvs("10.4.14")
@pytest.mark.contract("a stolen token is of no use: DPoP binds it to a key, in both grants")
@pytest.mark.spec("RFC 9449 §5.2")
def test_a_client_that_is_bound_gets_no_token_without_a_proof(wire: Wire, prover: Prover) -> None:
    wire.core.client("careful", "worker")
    pair = ("careful", wire.core.client_secret("careful"))
    assert wire.token(pair).json["token_type"] == "Bearer"
    with wire.core.store.transaction() as session:
        session.execute(update(Client).where(Client.client_id == "careful").values(dpop_bound_access_tokens=True))
    refused(wire.token(pair), 400, "invalid_dpop_proof")  # the fast lane, which knew it, forgets
    refused(wire.exchange(wire.core.key()[1], pair), 400, "invalid_dpop_proof")
    assert grant(wire, prover.proof("POST", TOKEN), pair).json["token_type"] == "DPoP"


@pytest.mark.spec("RFC 9449 §7.1")
def test_forward_auth_lets_the_holder_of_the_key_through_once(wire: Wire, prover: Prover) -> None:
    token = bound_token(wire, prover)
    proof = prover.proof("GET", API, token)
    answer = opened(wire, token, proof)
    assert answer.status_code == 200 and answer.headers["X-Auth-Client-Id"] == "robot"
    assert "used before" in challenged(opened(wire, token, proof), "invalid_dpop_proof")


@pytest.mark.asvs("RFC 9700 §4.13")
@pytest.mark.spec("RFC 9449 §7.1")
def test_forward_auth_reads_the_request_in_either_way(wire: Wire, prover: Prover) -> None:
    token = bound_token(wire, prover)
    forwarded = {"X_Forwarded_Method": "GET", "X_Forwarded_Proto": "https", "X_Forwarded_Host": "orders.example"}
    forwarded |= {"X_Forwarded_Uri": "/orders/7?page=2"}
    sender = {"Authorization": f"DPoP {token}"}

    def ask_gateway(**headers: str) -> Any:
        return wire.ask(**sender, DPoP=prover.proof("GET", API, token), **headers)

    assert ask_gateway(**forwarded).status_code == 200
    assert ask_gateway(**forwarded, **GATEWAY).status_code == 200
    for missing in forwarded:
        rest = {name: value for name, value in forwarded.items() if name != missing}
        assert "the gateway does not send" in challenged(ask_gateway(**rest), "invalid_dpop_proof")
    differing = forwarded | {"X_Forwarded_Uri": "/orders/8"}  # one of the two is the caller's own
    assert "the gateway does not send" in challenged(ask_gateway(**differing, **GATEWAY), "invalid_dpop_proof")


MISMATCHED: dict[str, tuple[str, Callable[[Prover, str], str | None]]] = {
    "no proof": ("invalid_dpop_proof", lambda p, t: None),
    "no ath": ("invalid_dpop_proof", lambda p, t: p.proof("GET", API)),
    "another token's ath": ("invalid_dpop_proof", lambda p, t: p.proof("GET", API, ath=ath("other"))),
    "another method": ("invalid_dpop_proof", lambda p, t: p.proof("POST", API, t)),
    "another URL": ("invalid_dpop_proof", lambda p, t: p.proof("GET", API + "8", t)),
    "the URL of forward-auth": ("invalid_dpop_proof", lambda p, t: p.proof("GET", f"{ISSUER}/oauth/forward-auth", t)),
    "too old": ("invalid_dpop_proof", lambda p, t: p.proof("GET", API, t, iat=int(p.now()) - 62)),
    "an escaped slash": ("invalid_dpop_proof", lambda p, t: p.proof("GET", API.replace("/7", "%2F7"), t)),
    "another key": ("invalid_token", lambda p, t: Prover(p.now).proof("GET", API, t)),
}


@pytest.mark.asvs("10.3.5", "RFC 8725 §3.11–3.12")
@pytest.mark.contract("a DPoP proof is valid for one key and one request, once, now")
@pytest.mark.spec("RFC 9449 §7.1", "RFC 9449 §4.3")
@pytest.mark.parametrize("name", MISMATCHED)
def test_a_proof_of_something_else_opens_nothing(wire: Wire, prover: Prover, name: str) -> None:
    token = bound_token(wire, prover)
    error, make = MISMATCHED[name]
    challenged(opened(wire, token, make(prover, token)), error)


@pytest.mark.asvs("10.3.5")
@pytest.mark.contract("DPoP is checked by gateways, the management API, introspection and an API in Flask")
@pytest.mark.spec("RFC 9449 §7.2")
def test_a_bound_token_is_not_a_bearer_token_nor_the_reverse(wire: Wire, prover: Prover) -> None:
    token = bound_token(wire, prover)
    for way in ({"Authorization": f"Bearer {token}"}, {"X_API_Key": token}):
        for proof in ({}, {"DPoP": prover.proof("GET", API, token)}):
            answer = wire.ask(**way, **proof, **GATEWAY)
            assert answer.status_code == 401
            bearer, dpop = answer.headers.getlist("WWW-Authenticate")
            assert bearer == 'Bearer realm="latchkey", error="invalid_token"'
            assert dpop == f'DPoP realm="latchkey", algs="{ALGS}"'
    for plain in (wire.token(wire.robot).json["access_token"], wire.core.key()[1]):
        challenged(opened(wire, plain, prover.proof("GET", API, plain)), "invalid_token")


def managed(wire: Wire, method: str, path: str, token: str, proof: str | None, scheme: str = "DPoP") -> Any:
    headers = {"Authorization": f"{scheme} {token}"} | ({"DPoP": proof} if proof else {})
    return wire.http.open(f"/api/v1{path}", method=method, headers=headers)


@pytest.mark.contract("DPoP is checked by gateways, the management API, introspection and an API in Flask")
@pytest.mark.spec("RFC 9449 §7")
def test_the_management_api_asks_for_the_proof_too(wire: Wire, prover: Prover) -> None:
    wire.core.role("reader", "machine", "roles:read")
    wire.core.client("operator", "reader")
    pair = ("operator", wire.core.client_secret("operator"))
    token = str(grant(wire, prover.proof("POST", TOKEN), pair, resource=OWN).json["access_token"])
    url = f"{OWN}/roles"
    assert managed(wire, "GET", "/roles", token, prover.proof("GET", url, token)).status_code == 200
    assert managed(wire, "GET", "/roles?limit=1", token, prover.proof("GET", url, token)).status_code == 200
    for odd in ("/roles/%C3%A9", "/roles/a%3Ab", "/roles/a:b"):
        assert managed(wire, "GET", odd, token, prover.proof("GET", f"{OWN}{odd}", token)).status_code == 404
    plain = managed(wire, "GET", "/roles", token, None, "Bearer")
    assert plain.status_code == 401 and len(plain.headers.getlist("WWW-Authenticate")) == 2
    for proof in (None, prover.proof("GET", url), prover.proof("POST", url, token), prover.proof("GET", OWN, token)):
        answer = managed(wire, "GET", "/roles", token, proof)
        assert answer.status_code == 401 and answer.content_type == "application/problem+json"
        assert 'error="invalid_dpop_proof"' in answer.headers["WWW-Authenticate"]


@pytest.mark.contract("DPoP is checked by gateways, the management API, introspection and an API in Flask")
@pytest.mark.spec("RFC 9449 §7", "RFC 7662 §2.1")
def test_who_introspects_by_a_bound_token_proves_it(wire: Wire, prover: Prover) -> None:
    pair = ("auditor", wire.core.client_secret("auditor"))
    token = str(grant(wire, prover.proof("POST", TOKEN), pair, resource=OWN).json["access_token"])
    asked = {"token": wire.core.key()[1]}

    def ask(scheme: str, proof: str | None) -> Any:
        headers = {"Authorization": f"{scheme} {token}"} | ({"DPoP": proof} if proof else {})
        return wire.post("introspect", asked, headers=headers)

    url = f"{ISSUER}/oauth/introspect"
    assert ask("DPoP", prover.proof("POST", url, token)).json["active"] is True
    refused(ask("Bearer", prover.proof("POST", url, token)), 401, "invalid_token")
    refused(ask("DPoP", None), 401, "invalid_dpop_proof")
    refused(ask("DPoP", prover.proof("POST", TOKEN, token)), 401, "invalid_dpop_proof")


@pytest.mark.spec("RFC 9449 §8", "RFC 9449 §9")
def test_a_server_that_demands_its_nonce_gives_it_and_takes_it(strict: Wire) -> None:
    prover = Prover(lambda: strict.core.clock().timestamp())
    url = "https://id.example/auth/oauth/token"
    first = grant(strict, prover.proof("POST", url))
    refused(first, 400, "use_dpop_nonce")
    nonce = first.headers["DPoP-Nonce"]
    answer = grant(strict, prover.proof("POST", url, nonce=nonce))
    assert answer.status_code == 200 and answer.headers["DPoP-Nonce"] == nonce
    token = str(answer.json["access_token"])
    missing = opened(strict, token, prover.proof("GET", API, token))
    challenged(missing, "use_dpop_nonce")
    assert missing.headers["DPoP-Nonce"] == nonce
    assert opened(strict, token, prover.proof("GET", API, token, nonce=nonce)).status_code == 200
    own = managed(strict, "GET", "/roles", token, prover.proof("GET", "https://id.example/auth/api/v1/roles", token))
    assert own.status_code == 401 and own.headers["DPoP-Nonce"] == nonce
    strict.core.clock.advance(seconds=300)
    assert grant(strict, prover.proof("POST", url, nonce=nonce)).status_code == 200
    strict.core.clock.advance(seconds=300)
    stale = grant(strict, prover.proof("POST", url, nonce=nonce))
    refused(stale, 400, "use_dpop_nonce")
    assert stale.headers["DPoP-Nonce"] != nonce


@pytest.mark.contract("a DPoP proof is valid for one key and one request, once, now")
@pytest.mark.spec("RFC 9449 §8")
def test_a_nonce_that_is_not_ours_is_refused_though_none_is_demanded(wire: Wire, prover: Prover) -> None:
    for nonce in ("theirs", "", "\u00e9", "\ud800"):
        answer = grant(wire, prover.proof("POST", TOKEN, nonce=nonce))
        refused(answer, 400, "use_dpop_nonce")
        good = prover.proof("POST", TOKEN, nonce=answer.headers["DPoP-Nonce"])
        assert grant(wire, good).status_code == 200


@pytest.mark.spec("RFC 9449 §5.1")
def test_the_metadata_names_the_algorithms(wire: Wire) -> None:
    metadata: Any = wire.http.get("/.well-known/oauth-authorization-server").json
    assert metadata["dpop_signing_alg_values_supported"] == ALGS.split()
