"""Federated credentials: what is accepted, what is too wide, the limit for each client, and the rights needed."""

from typing import Any

import pytest

from tests.core import ISSUER
from tests.management.face import OWN, Face
from tests.management.test_clients import PUBLIC
from tests.management.test_requests import fields, problem

GOOD = {"name": "CI", "issuer": "https://ci.example", "subject": "repo:acme/orders:ref:refs/heads/*"}
SECRETLESS = {"name": "job", "token_endpoint_auth_method": "federated_jwt"}


@pytest.fixture(scope="module")
def path(face: Face, admin: str) -> str:
    """The federated credentials of a client that the tests share; they keep none."""
    return f"/clients/{face.create('/clients', SECRETLESS, admin)['id']}/federated-credentials"


@pytest.mark.contract("a trusted issuer's token makes a client of a CI job, without any secret")
def test_a_client_without_any_secret_trusts_issuers(face: Face, admin: str) -> None:
    made = face.create("/clients", SECRETLESS, admin)
    assert "client_secret" not in made and made["jwks"] is made["jwks_uri"] is None
    path = f"/clients/{made['id']}/federated-credentials"
    problem(face.call("POST", f"/clients/{made['id']}/secrets", admin, json={}), 409)
    answer = face.call("POST", path, admin, json=GOOD)
    kept = answer.json
    assert answer.status_code == 201 and answer.headers["Location"] == f"{OWN}{path}/{kept['id']}"
    assert {name: kept[name] for name in GOOD} == GOOD
    assert (kept["audience"], kept["claims"], kept["jwks"], kept["jwks_uri"]) == (ISSUER, {}, None, None)
    assert face.call("GET", path, admin).json == {"items": [kept], "next_cursor": None}
    assert face.call("GET", f"{path}/{kept['id']}", admin).json == kept
    assert face.call("DELETE", f"{path}/{kept['id']}", admin).status_code == 204
    problem(face.call("DELETE", f"{path}/{kept['id']}", admin), 404)
    problem(face.call("GET", f"{path}/{kept['id']}", admin), 404)
    told = [(e.action, e.details["issuer"], e.details["subject"]) for e in face.core.trace() if e.target == kept["id"]]
    assert told == [(f"federated_credential.{verb}", GOOD["issuer"], GOOD["subject"]) for verb in ("create", "delete")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "),
        ("name", None),
        ("issuer", "http://ci.example"),
        ("issuer", "https://ci.example/?tenant=x"),
        ("issuer", "https://ci.example/#x"),
        ("issuer", "https://me@ci.example"),
        ("issuer", "ci.example"),
        ("issuer", "https://ci.example/" + "x" * 500),
        ("issuer", ISSUER),
        ("issuer", ISSUER.upper().replace("HTTPS", "https") + "/"),
        ("issuer", 7),
        ("subject", "*"),
        ("subject", "repo:*"),
        ("subject", "repo:acme/orders*"),
        ("subject", "x\x00"),
        ("subject", ""),
        ("subject", ["repo:acme/orders"]),
        ("audience", ""),
        ("audience", "x" * 501),
        ("audience", "\u200b"),
        ("claims", []),
        ("claims", {"repository_id": 7}),
        ("claims", {"repository_id": ""}),
        ("claims", {"": "x"}),
        ("claims", {"x" * 201: "x"}),
        ("claims", {"x": "a\x00"}),
        ("claims", {str(n): "x" for n in range(11)}),
        ("jwks", {"keys": []}),
        ("jwks", {"keys": [PUBLIC[0] | {"d": "AA"}]}),
        ("jwks_uri", "http://ci.example/keys"),
        ("secret", "x"),
    ],
)
def test_each_wrong_field_is_named(face: Face, admin: str, path: str, field: str, value: object) -> None:
    assert {name.split(".")[0] for name in fields(face.call("POST", path, admin, json=GOOD | {field: value}))} == {
        field
    }


def test_each_missing_field_is_named(face: Face, admin: str, path: str) -> None:
    assert fields(face.call("POST", path, admin, json={})) == {"name", "issuer", "subject"}
    both = {"jwks": {"keys": [PUBLIC[0]]}, "jwks_uri": "https://ci.example/keys"}
    assert fields(face.call("POST", path, admin, json=GOOD | both)) == {"jwks"}


def test_keys_and_claims_are_returned_as_given(face: Face, admin: str, path: str) -> None:
    for more in (
        {"jwks": {"keys": PUBLIC}},
        {"jwks_uri": "https://ci.example/keys", "audience": "api://latchkey", "claims": {"repository_id": "4711"}},
    ):
        kept = face.create(path, GOOD | more, admin)
        assert {name: kept[name] for name in more} == more
        assert face.call("DELETE", f"{path}/{kept['id']}", admin).status_code == 204


def test_a_client_trusts_ten_at_most(face: Face, admin: str) -> None:
    client = face.create("/clients", {"name": "trusts many"}, admin)
    path = f"/clients/{client['id']}/federated-credentials"
    made = [face.create(path, GOOD, admin) for _ in range(10)]
    problem(face.call("POST", path, admin, json=GOOD), 409)
    first = face.call("GET", path, admin, query_string={"limit": "6"}).json
    rest = face.call("GET", path, admin, query_string={"cursor": first["next_cursor"]}).json
    assert [*first["items"], *rest["items"]] == made
    face.call("DELETE", f"{path}/{made[0]['id']}", admin)
    face.create(path, GOOD, admin)


def test_federated_credentials_belong_to_one_client(face: Face, admin: str, path: str) -> None:
    kept, other = face.create(path, GOOD, admin), face.create("/clients", SECRETLESS, admin)["id"]
    elsewhere = f"/clients/{other}/federated-credentials/{kept['id']}"
    for method in ("GET", "DELETE"):
        problem(face.call(method, elsewhere, admin), 404)
    problem(face.call("POST", "/clients/nobody/federated-credentials", admin, json=GOOD), 404)
    assert face.call("DELETE", f"{path}/{kept['id']}", admin).status_code == 204
    face.create(f"/clients/{other}/federated-credentials", GOOD, admin)
    assert face.call("DELETE", f"/clients/{other}", admin).status_code == 204
    problem(face.call("GET", f"/clients/{other}/federated-credentials", admin), 404)


@pytest.mark.contract("letting a client trust an issuer requires the rights that the client has")
def test_nobody_adds_a_credential_to_a_client_with_more_scopes_than_theirs(face: Face, admin: str) -> None:
    face.core.role("all of it", "machine", "manage")
    mighty: Any = face.create("/clients", SECRETLESS | {"roles": ["all of it"]}, admin)
    path = f"/clients/{mighty['id']}/federated-credentials"
    clerk = face.machine("clients:write")
    assert face.call("POST", path, clerk, json=GOOD).status_code == 403
    kept = face.create(path, GOOD, admin)
    assert face.call("DELETE", f"{path}/{kept['id']}", clerk).status_code == 403
    harmless = face.create("/clients", SECRETLESS, admin)
    assert face.create(f"/clients/{harmless['id']}/federated-credentials", GOOD, clerk)


def test_a_client_can_change_to_federated_authentication_and_back(face: Face, admin: str) -> None:
    client = face.create("/clients", {"name": "changes"}, admin)
    own, grant = f"/clients/{client['id']}", {"grant_type": "client_credentials"}
    pair = (client["client_id"], client["client_secret"])

    def error() -> Any:
        told: Any = face.http.post("/oauth/token", data=grant, auth=pair).json
        return told["error"]

    without = {"token_endpoint_auth_method": "federated_jwt"}
    assert error() == "invalid_scope"  # let in, no role
    assert fields(face.call("PATCH", own, admin, json=without | {"jwks": {"keys": [PUBLIC[0]]}})) == {"jwks"}
    assert face.call("PATCH", own, admin, json=without).json["token_endpoint_auth_method"] == "federated_jwt"
    assert error() == "invalid_client"
    back = {"token_endpoint_auth_method": "client_secret_basic"}
    assert face.call("PATCH", own, admin, json=back).status_code == 200
    assert error() == "invalid_scope"
