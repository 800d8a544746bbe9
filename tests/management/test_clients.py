"""Clients: how they authenticate."""

from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from tests.core import ORDERS
from tests.management.face import Face
from tests.management.test_requests import fields, problem

EC = ECKey.generate_key("P-256", {"kid": "ec"})
KEYS: list[Any] = [EC, OKPKey.generate_key("Ed25519", {"kid": "ed"}), RSAKey.generate_key(2048, {"kid": "rsa"})]
PUBLIC = [key.as_dict(private=False) for key in KEYS]
URI = "https://client.example/jwks.json"


def with_keys(*keys: Any, **fields: Any) -> dict[str, Any]:
    return {"name": "c", "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": list(keys)}} | fields


@pytest.mark.asvs("11.2.3")
def test_public_keys_of_three_kinds_are_accepted(face: Face, admin: str) -> None:
    made = face.create("/clients", with_keys(*PUBLIC), admin)
    assert made["jwks"] == {"keys": PUBLIC} and "client_secret" not in made
    kept = face.create("/clients", with_keys(PUBLIC[0] | {"use": "sig", "alg": "ES256", "x5t": "x"}), admin)
    assert kept["jwks"]["keys"] == [PUBLIC[0] | {"use": "sig", "alg": "ES256"}]


@pytest.mark.asvs("RFC 8725 §3.4", "11.2.3", "11.6.1")
@pytest.mark.parametrize(
    "keys",
    [
        [],
        [KEYS[0].as_dict(private=True)],
        [KEYS[1].as_dict(private=True)],
        [KEYS[2].as_dict(private=True)],
        [OctKey.generate_key(256).as_dict()],
        [ECKey.generate_key("P-384").as_dict(private=False)],
        [PUBLIC[2] | {"n": PUBLIC[2]["n"][:170] + "Q"}],
        [PUBLIC[0] | {"y": PUBLIC[0]["x"]}],
        [PUBLIC[0] | {"x": "AA"}],
        [PUBLIC[0] | {"x": 7}],
        [PUBLIC[0] | {"x": "!"}],
        [PUBLIC[0] | {"use": "enc"}],
        [PUBLIC[0] | {"alg": "HS256"}],
        [PUBLIC[0] | {"alg": ["ES256"]}],
        [PUBLIC[0] | {"key_ops": ["sign"]}],
        [PUBLIC[0] | {"kid": 7}],
        [PUBLIC[0] | {"kid": "\x00"}],
        [PUBLIC[2] | {"e": "AQ"}],
        [PUBLIC[2] | {"n": PUBLIC[2]["n"] * 5}],
        [{"kty": "RSA"}],
        [{"kty": ["RSA"]}],
        [{"kty": "oct", "k": "AA"}],
        [{}],
        ["x"],
        [PUBLIC[0], PUBLIC[0]],
        [PUBLIC[1]] * 21,
    ],
)
def test_other_public_keys_are_refused(face: Face, admin: str, keys: list[Any]) -> None:
    assert fields(face.call("POST", "/clients", admin, json=with_keys(*keys))) == {"jwks"}


OF_OTHER_USES: list[dict[str, Any]] = [
    PUBLIC[2] | {"kid": "1", "use": "enc"},
    PUBLIC[2] | {"kid": "2", "alg": "RSA-OAEP-256"},
    PUBLIC[0] | {"kid": "3", "key_ops": ["deriveKey"]},
    OKPKey.generate_key("X25519").as_dict(private=False),
    ECKey.generate_key("P-384").as_dict(private=False),
    {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    {"kty": "unheard of", "kid": "4"},
    {"kty": "RSA"},
    {"kty": ["RSA"], "crv": {}},
    {},
    PUBLIC[0] | {"x": "AA"},
    PUBLIC[0] | {"use": 7},
]


@pytest.mark.contract("keys of other uses in a registered set are skipped, private ones refuse it")
@pytest.mark.spec("RFC 7517 §5")
def test_keys_of_other_uses_in_a_set_are_skipped(face: Face, admin: str) -> None:
    made = face.create("/clients", with_keys(*OF_OTHER_USES, PUBLIC[0]), admin)
    assert made["jwks"] == {"keys": [PUBLIC[0]]}
    for other in OF_OTHER_USES:
        changed = face.call("PATCH", f"/clients/{made['id']}", admin, json={"jwks": {"keys": [PUBLIC[1], other]}})
        assert changed.status_code == 200 and changed.json["jwks"] == {"keys": [PUBLIC[1]]}, other
        assert fields(face.call("POST", "/clients", admin, json=with_keys(other))) == {"jwks"}, other


@pytest.mark.contract("keys of other uses in a registered set are skipped, private ones refuse it")
@pytest.mark.parametrize(
    "secret",
    [
        OKPKey.generate_key("X25519").as_dict(private=True),
        RSAKey.generate_key(2048).as_dict(private=True) | {"use": "enc"},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "priv": "AAAA"},
        {"kty": "unheard of", "d": "AAAA"},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "oct"},
    ],
)
def test_private_key_material_beside_a_good_key_is_refused(face: Face, admin: str, secret: dict[str, Any]) -> None:
    answer = face.call("POST", "/clients", admin, json=with_keys(PUBLIC[0], secret))
    assert fields(answer) == {"jwks"} and "private or symmetric key" in answer.text


@pytest.mark.parametrize("jwks", [{}, {"keys": {}}, {"keys": None}, [], "x", 7])
def test_a_key_set_is_an_object_with_keys(face: Face, admin: str, jwks: object) -> None:
    assert fields(face.call("POST", "/clients", admin, json=with_keys(jwks=jwks))) == {"jwks"}


@pytest.mark.asvs("13.2.4")
@pytest.mark.parametrize(
    "uri",
    ["http://client.example/jwks", "https://", "https://u@client.example", "https://a/#f", "file:///x", "https://[x"],
)
def test_keys_are_fetched_from_https_only(face: Face, admin: str, uri: str) -> None:
    body = with_keys(jwks=None, jwks_uri=uri)
    assert fields(face.call("POST", "/clients", admin, json=body)) == {"jwks_uri"}


@pytest.mark.asvs("2.1.2", "2.2.3")
def test_private_key_jwt_has_one_source_of_keys_and_a_secret_none(face: Face, admin: str) -> None:
    for body in (
        with_keys(PUBLIC[0], jwks_uri=URI),
        with_keys(jwks=None),
        {"name": "c", "jwks": {"keys": PUBLIC}},
    ):
        assert fields(face.call("POST", "/clients", admin, json=body)) == {"jwks"}
    assert fields(face.call("POST", "/clients", admin, json={"name": "c", "jwks_uri": URI})) == {"jwks_uri"}
    assert face.create("/clients", with_keys(jwks=None, jwks_uri=URI), admin)["jwks_uri"] == URI


@pytest.mark.contract("`/clients`: its fields; the server gives `client_id`, `client_secret` once")
def test_a_client_changes_its_authentication_method_in_one_step(face: Face, admin: str) -> None:
    made = face.create("/clients", {"name": "c"}, admin)
    path = f"/clients/{made['id']}"
    to_keys = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": PUBLIC}}
    assert fields(face.call("PATCH", path, admin, json={"token_endpoint_auth_method": "private_key_jwt"})) == {"jwks"}
    assert face.call("PATCH", path, admin, json=to_keys).json["jwks"] == {"keys": PUBLIC}
    problem(face.call("POST", f"{path}/secrets", admin, json={}), 409)
    moved = face.call("PATCH", path, admin, json={"jwks": None, "jwks_uri": URI}).json
    assert (moved["jwks"], moved["jwks_uri"]) == (None, URI)
    assert fields(face.call("PATCH", path, admin, json={"jwks_uri": None})) == {"jwks"}
    back = {"token_endpoint_auth_method": "client_secret_post", "jwks_uri": None}
    assert face.call("PATCH", path, admin, json=back).json["jwks_uri"] is None


def test_a_client_serves_known_resources(face: Face, admin: str) -> None:
    response = face.call("POST", "/clients", admin, json={"name": "s", "serves": [ORDERS, "https://unknown.example"]})
    assert fields(response) == {"serves"} and "unknown.example" in response.text
    made = face.create("/clients", {"name": "s", "serves": [ORDERS, ORDERS]}, admin)
    assert made["serves"] == [ORDERS]
    assert face.call("PATCH", f"/clients/{made['id']}", admin, json={"serves": []}).json["serves"] == []


def test_a_clients_secrets_are_listed_by_hint_and_status(face: Face, admin: str) -> None:
    made = face.create("/clients", {"name": "many"}, admin)
    path = f"/clients/{made['id']}/secrets"
    short = face.create(path, {"name": "short", "expires_at": "2030-01-01T12:00:10Z"}, admin)
    gone = face.create(path, {"name": "gone"}, admin)
    assert face.call("DELETE", f"{path}/{gone['id']}", admin).status_code == 204
    assert face.call("DELETE", f"{path}/{gone['id']}", admin).status_code == 204
    face.core.clock.advance(seconds=20)
    by_status = {
        status: [item["name"] for item in face.call("GET", f"{path}?status={status}", admin).json["items"]]
        for status in ("active", "expired", "revoked")
    }
    assert by_status == {"active": [""], "expired": ["short"], "revoked": ["gone"]}
    listed = face.call("GET", path, admin)
    assert made["client_secret"] not in listed.text
    assert made["client_secret"][-4:] == listed.json["items"][0]["hint"][-4:]
    assert face.call("GET", f"{path}/{short['id']}", admin).json["status"] == "expired"
    past = {"expires_at": "2020-01-01T00:00:00Z"}
    assert fields(face.call("POST", path, admin, json=past)) == {"expires_at"}
    problem(
        face.call(
            "DELETE", f"/clients/{face.create('/clients', {'name': 'x'}, admin)['id']}/secrets/{gone['id']}", admin
        ),
        404,
    )


@pytest.mark.parametrize("name", ["", " ", "\u3000", None, 1])
def test_a_secrets_name_is_refused_like_any_other_empty_name(face: Face, admin: str, name: object) -> None:
    path = f"/clients/{face.create('/clients', {'name': 'named'}, admin)['id']}/secrets"
    assert fields(face.call("POST", path, admin, json={"name": name})) == {"name"}
    assert face.create(path, {}, admin)["name"] == ""  # it may be left out


def test_expired_and_revoked_secrets_do_not_count_against_the_limit(face: Face, admin: str) -> None:
    made = face.create("/clients", {"name": "full"}, admin)
    path = f"/clients/{made['id']}/secrets"
    for _ in range(4):
        last = face.create(path, {}, admin)
    problem(face.call("POST", path, admin, json={}), 409)
    face.call("DELETE", f"{path}/{last['id']}", admin)
    assert face.create(path, {"name": "room"}, admin)["status"] == "active"


def test_the_new_clients_secret_opens_the_token_endpoint(face: Face, admin: str) -> None:
    face.create("/roles", {"name": "opens", "type": "machine", "permissions": ["orders:read"]}, admin)
    made = face.create("/clients", {"name": "opens", "roles": ["opens"]}, admin)
    pair = (made["client_id"], made["client_secret"])
    response = face.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=pair)
    assert response.status_code == 200, response.text


BOUND = ("dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens")


@pytest.mark.spec("RFC 9449 §5.2", "RFC 8705 §3.4")
def test_a_client_may_be_bound_and_unbound(face: Face, admin: str) -> None:
    made = face.create("/clients", {"name": "c"}, admin)
    assert [made[name] for name in BOUND] == [False, False]
    for name in BOUND:
        for value in (True, False):
            assert face.call("PATCH", f"/clients/{made['id']}", admin, json={name: value}).json[name] is value
        assert fields(face.call("PATCH", f"/clients/{made['id']}", admin, json={name: "true"})) == {name}
        assert face.create("/clients", {"name": "c", name: True}, admin)[name] is True


def test_a_delegate_may_add_but_not_remove_a_binding(face: Face, admin: str) -> None:
    pat = face.pat("clients:write")
    for token in (pat, face.core.exchange(pat)):
        for name in BOUND:
            path = f"/clients/{face.create('/clients', {'name': 'c', 'enabled': True}, admin)['id']}"
            assert face.call("PATCH", path, token, json={name: False}).status_code == 200  # as it is
            assert face.call("PATCH", path, token, json={name: True}).status_code == 200
            assert face.call("PATCH", path, token, json={"name": "d", name: False}).status_code == 403
            left = face.call("GET", path, admin).json
            assert left[name] is True and left["name"] == "c"
            assert face.call("PATCH", path, face.machine("clients:write"), json={name: False}).json[name] is False


@pytest.mark.spec("RFC 8705 §2.1.2")
def test_a_client_may_authenticate_by_its_certificate_subject(face: Face, admin: str) -> None:
    by_certificate = {"name": "c", "token_endpoint_auth_method": "tls_client_auth"}
    names = {"tls_client_auth_san_dns": "robot.example"}
    made = face.create("/clients", by_certificate | names, admin)
    assert "client_secret" not in made and made | names == made and made["tls_client_auth_subject_dn"] is None
    path = f"/clients/{made['id']}"
    other = {"tls_client_auth_subject_dn": "CN=robot", "tls_client_auth_san_dns": None}
    changed = face.call("PATCH", path, admin, json=other).json
    assert {name: changed[name] for name in other} == other
    assert face.call("PATCH", path, admin, json={"name": "d"}).json | other == face.call("GET", path, admin).json
    assert fields(face.call("PATCH", path, admin, json=names)) == {"tls_client_auth_subject_dn"}
    assert fields(face.call("POST", "/clients", admin, json=by_certificate)) == {"tls_client_auth_subject_dn"}
    assert fields(face.call("POST", "/clients", admin, json={"name": "c"} | names)) == {"tls_client_auth_san_dns"}
    back = face.call("PATCH", path, admin, json={"token_endpoint_auth_method": "client_secret_basic"}).json
    assert back["tls_client_auth_subject_dn"] is None
