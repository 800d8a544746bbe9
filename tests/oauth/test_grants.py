"""The token endpoint's two grants and revocation: how the request is read, and what the answer contains."""

from ipaddress import ip_address
from typing import Any

import pytest

from app.credentials.kind import RateLimit
from tests.core import contents
from tests.oauth.wire import ANY_TYPE, EXCHANGE, ORDERS, STOCK, Wire, refused

JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"


# --- client credentials


@pytest.mark.spec("RFC 6749 §5.1")
def test_a_machine_tokens_answer_has_four_members(wire: Wire) -> None:
    answer = wire.token(wire.robot, scope="orders:read").json
    assert set(answer) == {"access_token", "token_type", "expires_in", "scope"} and answer["token_type"] == "Bearer"


@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "unauthorized_client"),
        ({"grant_type": "refresh_token"}, "unauthorized_client"),
        ({"scope": "nonsense"}, "invalid_scope"),
        ({"scope": "stock:read"}, "invalid_scope"),
        ({"resource": "https://nowhere.example"}, "invalid_target"),
        ({"resource": [ORDERS, "https://nowhere.example"]}, "invalid_target"),
        ({"resource": ""}, "invalid_target"),
        ({"audience": "https://nowhere.example"}, "invalid_target"),
    ],
)
def test_each_refusal_has_its_code(wire: Wire, form: dict[str, Any], error: str) -> None:
    refused(wire.token(wire.robot, **form), 400, error)


@pytest.mark.spec("RFC 8707 §2")
def test_without_a_scope_and_a_resource_the_choices_are_named(wire: Wire) -> None:
    told = refused(wire.token(wire.robot, resource=""), 400, "invalid_target")
    assert ORDERS in told and STOCK in told


def test_a_client_without_a_role_gets_invalid_scope(wire: Wire) -> None:
    refused(wire.token(wire.shop), 400, "invalid_scope")


# --- token exchange


@pytest.mark.spec("RFC 8693 §2.2.1")
def test_an_exchange_answers_with_five_members(wire: Wire) -> None:
    for requested in ({}, {"requested_token_type": ANY_TYPE}, {"requested_token_type": JWT_TYPE}):
        answer = wire.exchange(wire.core.key()[1], **requested).json
        assert set(answer) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
        assert answer["issued_token_type"] == ANY_TYPE and answer["token_type"] == "Bearer"


@pytest.mark.spec("RFC 8693 §2.1", "RFC 8693 §2.2.2")
@pytest.mark.parametrize(
    "form",
    [
        {"subject_token": ""},
        {"subject_token": "x"},
        {"subject_token": "lk_key_" + "0" * 38},
        {"subject_token_type": ""},
        {"subject_token_type": "urn:nonsense"},
        {"subject_token_type": "urn:latchkey:token-type:personal_access_token"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:id_token"},
        {"actor_token": "x"},
        {"actor_token_type": ANY_TYPE},
    ],
)
def test_a_malformed_exchange_is_an_invalid_request(wire: Wire, form: dict[str, str]) -> None:
    refused(wire.exchange(wire.core.key()[1], **form), 400, "invalid_request")


@pytest.mark.spec("RFC 8693 §2.2.2")
def test_no_jwt_is_exchanged_again(wire: Wire) -> None:
    for token in (wire.core.m2m("robot", "orders:read"), wire.core.exchange(wire.core.key()[1])):
        for kind in (ANY_TYPE, JWT_TYPE, "urn:latchkey:token-type:api_key"):
            refused(wire.exchange(token, subject_token_type=kind), 400, "invalid_request")


@pytest.mark.spec("RFC 8693 §2.1")
def test_client_authentication_is_optional_but_never_ignored(wire: Wire) -> None:
    view, key = wire.core.key()
    alone = contents(wire.exchange(key).json["access_token"])
    assert alone["client_id"] == view.id and "act" not in alone
    named = contents(wire.exchange(key, wire.robot).json["access_token"])
    assert named["client_id"] == "robot" and named["act"] == {"sub": "robot"}
    by_key = contents(wire.exchange(key, **wire.assertion()).json["access_token"])
    assert by_key["act"] == {"sub": "keyed"}
    refused(wire.exchange(key, ("robot", "wrong")), 401, "invalid_client")
    refused(wire.exchange(key, client_id="robot", client_secret="wrong"), 401, "invalid_client")


def test_a_keys_networks_and_rate_hold_at_the_exchange_too(wire: Wire) -> None:
    outside = wire.core.key(allowed_ips=("192.0.2.0/24",))[1]
    refused(wire.exchange(outside), 400, "invalid_request")
    assert wire.core.exchange(outside, address=ip_address("192.0.2.1"))
    spent = wire.core.key(rate_limit=RateLimit(1, 60))[1]
    assert wire.exchange(spent).status_code == 200
    response = wire.exchange(spent)
    refused(response, 429, "temporarily_unavailable")
    assert 1 <= int(response.headers["Retry-After"]) <= 60


@pytest.mark.spec("RFC 8707 §2")
def test_an_exchange_reaches_no_further_than_its_subject(wire: Wire) -> None:
    pat = wire.core.pat("alice", "orders:read", "stock:read", name="bounded")[1]
    assert wire.exchange(pat, audience=STOCK).json["scope"] == "stock:read"
    refused(wire.exchange(pat, resource="https://nowhere.example"), 400, "invalid_target")
    refused(wire.exchange(pat, scope="orders:write"), 400, "invalid_scope")
    refused(wire.post("token", {"grant_type": EXCHANGE}), 400, "invalid_request")


# --- revocation


@pytest.mark.spec("RFC 7009 §2.2")
def test_a_revocation_answers_with_nothing(wire: Wire) -> None:
    pat, key = wire.core.pat("alice", "orders:read", name="ending")[1], wire.core.key()[1]
    for token in (pat, key, pat, "unknown", "a.b.c", "\x00", "x" * 100_000):
        response = wire.revoke(token)
        assert response.status_code == 200 and response.data == b""
        assert response.headers["Cache-Control"] == "no-store" and response.headers["Pragma"] == "no-cache"
        assert not wire.introspect(token)["active"]


@pytest.mark.spec("RFC 7009 §2.1")
def test_a_machine_token_is_its_clients_to_revoke(wire: Wire) -> None:
    token = wire.core.m2m("robot", "orders:read")
    refused(wire.revoke(token), 401, "invalid_client")
    refused(wire.revoke(token, wire.shop), 400, "invalid_grant")
    refused(wire.revoke(token, ("robot", "wrong")), 401, "invalid_client")
    assert wire.introspect(token)["active"]
    assert wire.revoke(token, wire.robot).status_code == 200
    assert not wire.introspect(token)["active"]
    assert wire.revoke(token, wire.robot).status_code == 200


@pytest.mark.spec("RFC 7009 §2.1")
def test_a_failed_authentication_revokes_nothing_even_with_possession(wire: Wire) -> None:
    key = wire.core.key()[1]
    refused(wire.revoke(key, ("robot", "wrong")), 401, "invalid_client")
    assert wire.introspect(key)["active"]
    assert wire.revoke(key, wire.robot).status_code == 200
    assert not wire.introspect(key)["active"]


@pytest.mark.spec("RFC 7009 §2.1")
def test_no_token_is_an_invalid_request(wire: Wire) -> None:
    refused(wire.post("revoke", {}), 400, "invalid_request")
    refused(wire.revoke(""), 400, "invalid_request")


@pytest.mark.parametrize(
    "copied", ["Bearer {}", "bearer  {}", "{}\n", "{}\r\n", " {} ", "Bearer {}\r\n", "\t{}", "BEARER\x20{}\n\n"]
)
def test_what_is_copied_along_with_a_token_does_not_keep_it_alive(wire: Wire, copied: str) -> None:
    for token in (wire.core.key()[1], wire.core.m2m("robot", "orders:read")):
        assert wire.revoke(copied.format(token), wire.robot).status_code == 200
        assert wire.introspect(token) == {"active": False}


def test_introspection_takes_a_token_as_it_is_alone(wire: Wire) -> None:
    key = wire.core.key()[1]
    for copied in (f"Bearer {key}", f"{key}\n", f" {key}"):
        assert wire.introspect(copied) == {"active": False}


@pytest.mark.spec("RFC 8707 §2")
@pytest.mark.parametrize(
    "near", [ORDERS + "/", ORDERS + "//", ORDERS.replace("https://api", "HTTPS://API"), ORDERS.upper()]
)
def test_a_resource_that_differs_in_a_slash_or_in_case_is_named(wire: Wire, near: str) -> None:
    for answer in (wire.token(wire.robot, resource=near), wire.exchange(wire.core.key()[1], resource=near)):
        assert refused(answer, 400, "invalid_target").endswith(f"; did you mean {ORDERS}")


def test_a_resource_out_of_reach_is_never_named(wire: Wire) -> None:
    for far in (STOCK + "/", "https://api.example", ORDERS + "/1", "https://nowhere.example/"):
        for answer in (wire.token(wire.shop, resource=far), wire.exchange(wire.core.key()[1], resource=far)):
            assert "did you mean" not in answer.json["error_description"]
