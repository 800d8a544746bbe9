"""What a guard makes of a request, in threads and in an event loop: one credential, its rights, its proof, refusals."""

import base64
from hashlib import sha256
from typing import Any

import pytest

from app.resource_server import (
    Configuration,
    Guard,
    Refusal,
    Request,
    current_credential,
    metadata_path,
    metadata_url,
    normalize_address,
    protected_resource_metadata,
    read_certificate,
    use_credential,
)
from tests.dpop import Prover
from tests.resource_server.fake_server import INTROSPECTION, ISSUER, RESOURCE, FakeServer
from tests.resource_server.guards import Caller, answer, bearer, calling

METADATA = f"{RESOURCE}/.well-known/oauth-protected-resource"
CLIENT: dict[str, str] = {"client_id": "orders", "client_secret": "x"}
PEM = "-----BEGIN CERTIFICATE-----\nY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


def refuse(caller: Caller, request: Request, *scopes: str) -> Refusal:
    with pytest.raises(Refusal) as refused:
        caller.authenticate(request, *scopes)
    return refused.value


def ask(authorization: tuple[str, ...] = (), api_key: tuple[str, ...] = (), **named: Any) -> Request:
    return Request("GET", f"{RESOURCE}/orders", authorization, api_key, **named)


@pytest.mark.contract("the package: errors of RFC 6750 that name the metadata of the resource")
@pytest.mark.spec("RFC 6750 §3", "RFC 9728 §5.1")
def test_each_refusal_has_its_status_its_challenge_and_the_address_of_the_metadata(
    server: FakeServer, caller: Caller
) -> None:
    token, about = server.token(), f'resource_metadata="{METADATA}"'
    refusals = {
        f"Bearer {about}": (401, refuse(caller, ask())),
        f'Bearer error="invalid_request", {about}': (400, refuse(caller, ask((f"Bearer {token}",), (token,)))),
        f'Bearer error="invalid_token", {about}': (401, refuse(caller, bearer("opaque"))),
        f'Bearer error="insufficient_scope", scope="a b", {about}': (
            403,
            refuse(caller, bearer(token), "a", "orders:read", "b"),
        ),
    }
    for challenge, (status, refusal) in refusals.items():
        assert (refusal.status, dict(refusal.headers)["WWW-Authenticate"]) == (status, challenge)
        assert dict(refusal.headers)["Cache-Control"] == "no-store"
        assert refusal.body.keys() == {"error", "error_description"}


def test_a_server_that_is_down_is_a_503_with_retry_after(server: FakeServer, caller: Caller) -> None:
    server.down = True
    refusal = refuse(caller, bearer(server.token()))
    assert (refusal.status, refusal.body["error"]) == (503, "temporarily_unavailable")
    assert dict(refusal.headers).keys() == {"Content-Type", "Cache-Control", "Retry-After"}


@pytest.mark.spec("RFC 6750 §2")
@pytest.mark.parametrize(
    ("authorization", "api_key", "status"),
    [
        ((), (), 401), (("",), ("",), 401), (("Digest x",), (), 401), (("Basic eDp5",), (), 401),
        (("Bearer",), (), 401), (("Bearer T",), (), 200), (("bearer  T ",), (), 200), ((), ("T",), 200),
        (("Bearer T", "Bearer T"), (), 400), (("Bearer T, Bearer T",), (), 400), (("Bearer T,DPoP T",), (), 400),
        ((), ("T", "T"), 400), ((), ("T,T",), 400), (("Bearer T",), ("T",), 400), (("Basic eDp5",), ("T",), 400),
        (("Bearer T x",), (), 401), (("Bearer T\x00",), (), 401), (("Bearer \u00e9.x.y",), (), 401),
        (("DPoP T",), (), 401),
    ],
)  # fmt: skip
def test_a_request_carries_one_credential(
    server: FakeServer, caller: Caller, authorization: tuple[str, ...], api_key: tuple[str, ...], status: int
) -> None:
    token = server.token()
    request = ask(
        tuple(one.replace("T", token) for one in authorization), tuple(k.replace("T", token) for k in api_key)
    )
    if status == 200:
        assert caller.authenticate(request, "orders:read").id == "t"
    else:
        assert refuse(caller, request).status == status


def test_what_cannot_be_a_token_costs_no_request(flavour: str, server: FakeServer) -> None:
    with calling(flavour, server, verify="introspection", **CLIENT) as caller:
        for text in ("", " ", "a b", "é", "a\x00", '"', "=", "a=b"):
            assert refuse(caller, bearer(text)).status == 401
        assert server.requests == {}
        assert refuse(caller, bearer("opaque")).status == 401
    assert server.requests == {INTROSPECTION: 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "https://other.example"}, {"aud": 7}, {"aud": []}, {"aud": None}, {"exp": 1}, {"exp": "x"},
        {"exp": None}, {"exp": True}, {"exp": float("nan")},
        {"iss": "https://other.example"}, {"jti": 7}, {"jti": None}, {"sub": 7},
        {"credential_type": ["x"]}, {"credential_type": None}, {"scope": ["orders:read"]},
        {"cnf": "x"}, {"cnf": {"jkt": 7}}, {"cnf": []},
    ],
    ids=str,
)  # fmt: skip
def test_a_signed_token_with_wrong_claims_is_refused(server: FakeServer, caller: Caller, wrong: dict[str, Any]) -> None:
    assert answer(caller, server.token(**wrong)) == 401


@pytest.mark.parametrize("header", [{"typ": None}, {"typ": "JWT"}, {"kid": None}, {"kid": "other"}], ids=str)
def test_a_token_of_another_type_or_key_is_refused(server: FakeServer, caller: Caller, header: dict[str, Any]) -> None:
    assert answer(caller, server.token(header=header)) == 401


@pytest.mark.parametrize(("alg", "key"), [("none", ""), ("HS256", "x" * 40)])
def test_a_token_of_another_algorithm_is_refused(server: FakeServer, caller: Caller, alg: str, key: str) -> None:
    assert answer(caller, server.token(header={"alg": alg}, key=key)) == 401


@pytest.mark.parametrize("field", ["aud", "jti", "credential_type", "scope", "exp", "cnf"])
def test_an_introspection_answer_with_a_wrong_field_is_refused(flavour: str, server: FakeServer, field: str) -> None:
    good = {"active": True, "aud": [RESOURCE], "jti": "t", "credential_type": "api_key", "scope": ""}
    with calling(flavour, server, verify="introspection", **CLIENT) as caller:
        server.introspected = good
        assert answer(caller, "opaque") == 200
        server.introspected = good | {field: {"x": 7}}
        assert answer(caller, "opaque") == 401
        server.introspected = {"active": "true"}
        assert answer(caller, "opaque") == 401


@pytest.mark.spec("RFC 9449 §7")
def test_a_bound_token_needs_its_proof_once(server: FakeServer, caller: Caller) -> None:
    prover = Prover(server.clock)
    token = server.token(cnf={"jkt": prover.jkt})
    proof = prover.proof("GET", f"{RESOURCE}/orders", token)
    assert refuse(caller, bearer(token, dpop=(proof,))).body["error"] == "invalid_token"
    for proofs in ((), ("",), (proof, proof)):
        refusal = refuse(caller, ask((f"DPoP {token}",), dpop=proofs))
        assert refusal.body["error"] == "invalid_dpop_proof"
        assert 'algs="ES256 RS256 PS256 EdDSA", resource_metadata=' in dict(refusal.headers)["WWW-Authenticate"]
    assert caller.authenticate(ask((f"DPoP {token}",), dpop=(proof,))).key == prover.jkt
    assert refuse(caller, ask((f"DPoP {token}",), dpop=(proof,))).status == 401


@pytest.mark.spec("RFC 8705 §3")
def test_a_token_that_is_bound_twice_needs_both(server: FakeServer, caller: Caller) -> None:
    prover, certificate = Prover(server.clock), b"certificate"
    thumbprint = base64.urlsafe_b64encode(sha256(certificate).digest()).rstrip(b"=").decode()
    token = server.token(cnf={"jkt": prover.jkt, "x5t#S256": thumbprint})

    def send(certificate: bytes | None, dpop: str) -> Request:
        return ask((f"DPoP {token}",), dpop=(dpop,), certificate=certificate)

    proof = prover.proof("GET", f"{RESOURCE}/orders", token)
    for bad in (send(None, proof), send(b"other", proof), send(certificate, "")):
        assert refuse(caller, bad).status == 401
    assert caller.authenticate(send(certificate, proof)).certificate == thumbprint


def test_the_current_credential_is_there_inside_a_request_only(server: FakeServer, caller: Caller) -> None:
    credential = caller.authenticate(bearer(server.token()))
    with use_credential(credential):
        assert (current_credential.id, *current_credential.scopes) == ("t", "orders:read")
    with pytest.raises(RuntimeError, match="no current credential"):
        assert current_credential.id
    with pytest.raises(AttributeError):
        assert current_credential.password  # type: ignore[attr-defined]


@pytest.mark.spec("RFC 9728 §3.1")
@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("https://a.example", "https://a.example/.well-known/oauth-protected-resource"),
        ("https://a.example/", "https://a.example/.well-known/oauth-protected-resource"),
        ("https://a.example/v1/x", "https://a.example/.well-known/oauth-protected-resource/v1/x"),
        ("https://a.example/v1?x=1", "https://a.example/.well-known/oauth-protected-resource/v1?x=1"),
        ("urn:example:a", ""),
    ],
)
def test_the_metadata_is_where_the_resource_says(resource: str, url: str) -> None:
    configuration = Configuration(ISSUER, resource, verify="local", scopes_supported=("orders:read",))
    assert metadata_url(configuration) == url
    assert metadata_path(configuration).startswith("/.well-known/oauth-protected-resource")
    document = protected_resource_metadata(configuration)
    assert (document["resource"], document["authorization_servers"]) == (resource, [ISSUER])
    assert document["scopes_supported"] == ["orders:read"]


@pytest.mark.parametrize(
    "wrong",
    [{"issuer": ""}, {"issuer": "auth.example"}, {"issuer": "ftp://auth.example"}, {"resource": ""},
     {"resource": 'https://a.example/"'}, {"resource": "https://a.example/\n"}, {"verify": "remote"},
     {"verify": "introspection", "client_id": ""}],
    ids=str,
)  # fmt: skip
def test_a_configuration_that_cannot_work_is_refused_at_once(wrong: dict[str, Any]) -> None:
    good: dict[str, Any] = {"issuer": ISSUER, "resource": RESOURCE, "client_id": "orders"}
    Guard(Configuration(**good)).close()
    with pytest.raises(ValueError, match=r"not a valid|needs a client_id"):
        Configuration(**{**good, **wrong})


def test_the_secret_is_not_in_the_repr_of_a_configuration() -> None:
    assert "secret-of-the-client" not in repr(Configuration(ISSUER, RESOURCE, "orders", "secret-of-the-client"))


def test_a_server_at_another_address_is_reached_there(flavour: str, server: FakeServer) -> None:
    with calling(flavour, server, server_url="http://latchkey:8080/") as caller:
        assert answer(caller, server.token()) == 503
    assert set(server.requests) == {"http://latchkey:8080/.well-known/jwks.json"}


@pytest.mark.parametrize(
    ("text", "der"),
    [
        (None, None), ("", None), ("x", None), ("(null)", None), (":", None), ("::", None), (":?:", None),
        (PEM, b"certificate"), (PEM.replace("\n", "%0A").replace(" ", "%20"), b"certificate"),
        (":Y2VydGlmaWNhdGU=:", b"certificate"), (PEM.replace("=", "!"), None), (PEM[:40], None),
    ],
)  # fmt: skip
def test_a_certificate_is_read_as_proxies_send_it(text: str | None, der: bytes | None) -> None:
    assert read_certificate(text) == der


def test_an_address_is_one_or_none() -> None:
    read = {"192.0.2.7": "192.0.2.7", "fe80::1%eth0": "fe80::1", "": None, None: None, "unix:": None, "localhost": None}
    assert {address: normalize_address(address) for address in read} == read
