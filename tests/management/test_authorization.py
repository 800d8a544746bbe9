"""One table lists every operation with its scope, and the API obeys the table."""

import re
from typing import Any

import pytest

from app.management.authorization import TABLE, Access, operation_name
from app.management.blueprint import PREFIX
from tests.core import ORDERS
from tests.management.face import OWN, Face

SCOPED = {name: needed for name, needed in TABLE.items() if isinstance(needed, str)}
OWNERS = {name: needed for name, needed in TABLE.items() if needed in (Access.OWNER, Access.OWNER_READS)}
GUARDED = SCOPED | OWNERS
OPEN_TO_APPS = {
    "GET /resources",
    "POST /resources",
    "GET /resources/{resource_id}",
    "PATCH /resources/{resource_id}",
    "DELETE /resources/{resource_id}",
    "GET /resources/{resource_id}/permissions",
    "POST /resources/{resource_id}/permissions",
    "GET /resources/{resource_id}/permissions/{name}",
    "PATCH /resources/{resource_id}/permissions/{name}",
    "DELETE /resources/{resource_id}/permissions/{name}",
    "GET /roles",
    "POST /roles",
    "GET /roles/{role_id}",
    "PATCH /roles/{role_id}",
    "DELETE /roles/{role_id}",
    "GET /users",
    "POST /users",
    "GET /users/{user_id}",
    "PATCH /users/{user_id}",
    "DELETE /users/{user_id}",
    "GET /audit-events",
}
PROVIDER = {"name": "x", "issuer": "https://idp.example", "client_id": "x", "client_secret": "x"}
REFUSED_TO_DELEGATES = {
    "POST /clients": {"name": "x"},
    "POST /clients/{row_id}/secrets": {},
    "POST /clients/{row_id}/federated-credentials": {"name": "x", "issuer": "https://ci.example", "subject": "x"},
    "POST /api-keys": {"name": "x", "resource": ORDERS},
    "POST /api-keys/{key_id}/rotate": {},
    "POST /identity-providers": PROVIDER,
    "PATCH /identity-providers/{provider_id}": {"name": "y"},
    "POST /webhooks": {"url": "https://hooks.example/"},
    "PATCH /webhooks/{webhook_id}": {"url": "https://hooks.example/"},
    "POST /webhooks/{webhook_id}/rotate-secret": {},
    "POST /users/{user_id}/personal-access-tokens": {"name": "x", "scopes": ["orders:read"]},
    "POST /users/{user_id}/links": {"purpose": "reset"},
    "POST /users/{user_id}/identities": {"provider": "acme", "subject": "mallory"},
    "POST /users": {"username": "mallory", "password": "correct horse battery"},
    "PATCH /users/{user_id}": {"password": "correct horse battery"},
    "PATCH /clients/{row_id}": {"jwks_uri": "https://client.example/jwks"},
}


def split(name: str) -> tuple[str, str]:
    """Return method and path of an operation, with an unknown id for each variable."""
    method, path = name.split(" ")
    return method, re.sub(r"\{\w+\}", "nobody", path)


@pytest.fixture(scope="module")
def outsider(face: Face) -> str:
    """An M2M token with a scope of this API that no operation names."""
    return face.machine("introspect")


@pytest.fixture(scope="module")
def key(face: Face) -> str:
    return face.core.key()[1]


@pytest.fixture(scope="module")
def delegates(face: Face) -> list[str]:
    """A PAT with `manage`, and the JWT it is exchanged for."""
    pat = face.pat("manage")
    return [pat, face.core.exchange(pat)]


@pytest.fixture(scope="module")
def app_token(face: Face) -> str:
    """The token of an app with `manage`, whose client was registered by a holder of `manage` with such scopes."""
    face.core.app("console-app", scopes=["manage", "tokens:read"])
    return face.core.delegate(face.person("manage"), "console-app", "manage", OWN).access.token


@pytest.mark.asvs("6.3.4")
@pytest.mark.contract("the scope of each operation, `manage` for everything")
def test_the_table_names_every_route_and_nothing_else(face: Face) -> None:
    rules = [rule for rule in face.app.url_map.iter_rules() if rule.rule.startswith(f"{PREFIX}/")]
    routes = {operation_name(method, rule.rule) for rule in rules for method in rule.methods or ()}
    assert routes == set(TABLE)


@pytest.mark.asvs("6.3.4", "10.4.7")
def test_only_three_operations_need_no_authentication() -> None:
    public = {"GET /openapi.json", "POST /credentials/revoke", "GET /comparison"}
    assert {name for name in TABLE if name not in GUARDED} == public


@pytest.mark.asvs("8.2.1")
def test_a_route_missing_from_the_table_is_refused_to_everybody(own_face: Face) -> None:
    blueprint = own_face.app.blueprints["roles"]
    own_face.app.add_url_rule(f"{PREFIX}/forgotten", "roles.forgotten", lambda: "come in")
    assert blueprint.name == "roles"
    assert own_face.call("GET", "/forgotten", own_face.machine("manage")).status_code == 403


@pytest.mark.parametrize("name", GUARDED)
def test_a_request_without_credentials_is_challenged_without_an_error_code(face: Face, name: str) -> None:
    response = face.call(*split(name))
    assert response.status_code == 401 and response.content_type == "application/problem+json"
    challenges = response.headers.getlist("WWW-Authenticate")
    assert 'Bearer realm="latchkey"' in challenges
    assert any(c.startswith("Basic ") for c in challenges) is (name in OWNERS)


@pytest.mark.parametrize("name", GUARDED)
def test_garbage_and_api_keys_are_invalid_tokens(face: Face, name: str, key: str) -> None:
    for token in ("garbage", "a b", "ä", "lk_pat_" + 38 * "0", key, face.core.exchange(key)):
        response = face.call(*split(name), token)
        assert response.status_code == 401, token
        assert 'error="invalid_token"' in response.headers.getlist("WWW-Authenticate")[-1]


@pytest.mark.asvs("8.2.1")
@pytest.mark.parametrize("name", SCOPED)
def test_the_refusal_of_a_token_without_the_scope_names_the_scope(face: Face, name: str, outsider: str) -> None:
    response = face.call(*split(name), outsider)
    assert response.status_code == 403
    challenge = response.headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in challenge and f'scope="{SCOPED[name]}"' in challenge


@pytest.mark.asvs("8.2.1")
@pytest.mark.contract("the scope of each operation, `manage` for everything")
@pytest.mark.parametrize("name", SCOPED)
def test_the_scope_alone_is_sufficient(face: Face, name: str) -> None:
    assert face.call(*split(name), face.machine(SCOPED[name])).status_code not in (401, 403)


@pytest.mark.parametrize("name", OWNERS)
def test_a_machine_is_not_a_user_and_a_pat_only_reads_the_profile(
    face: Face, name: str, admin: str, delegates: list[str]
) -> None:
    pat, exchanged = delegates
    for token in (admin, exchanged):
        assert face.call(*split(name), token).status_code == 403
    assert face.call(*split(name), pat).status_code == (200 if OWNERS[name] is Access.OWNER_READS else 403)


@pytest.mark.contract("letting a client trust an issuer requires the rights that the client has")
@pytest.mark.parametrize("name", REFUSED_TO_DELEGATES)
def test_a_delegate_cannot_create_renew_or_reveal_a_credential(
    face: Face, name: str, delegates: list[str], admin: str
) -> None:
    client = face.create("/clients", {"name": "a client"}, admin)["id"]
    user = face.create("/users", {"username": client.replace("_", "-")}, admin)["id"]
    api_key = face.create("/api-keys", {"name": "a key", "resource": ORDERS}, admin)["id"]
    webhook = face.create("/webhooks", {"url": "https://hooks.example/"}, admin)["id"]
    provider = face.create("/identity-providers", PROVIDER | {"name": client}, admin)["id"]
    method, path = name.split(" ")
    path = path.format(row_id=client, user_id=user, key_id=api_key, webhook_id=webhook, provider_id=provider)
    for token in delegates:
        response = face.call(method, path, token, json=REFUSED_TO_DELEGATES[name])
        assert response.status_code == 403, response.text
        assert "WWW-Authenticate" in response.headers


@pytest.mark.asvs("8.2.1")
@pytest.mark.parametrize("name", GUARDED)
@pytest.mark.contract("an app never creates, reads or changes a credential, whatever its scopes")
def test_an_app_with_every_scope_reaches_no_credential(face: Face, name: str, app_token: str) -> None:
    response = face.call(*split(name), app_token)
    if name in OPEN_TO_APPS:
        assert response.status_code not in (401, 403)
    else:
        assert response.status_code == 403, response.text
        assert 'error="insufficient_scope"' in response.headers["WWW-Authenticate"]


@pytest.mark.asvs("8.2.1")
@pytest.mark.contract("an app never creates, reads or changes a credential, whatever its scopes")
def test_an_app_sets_no_password(face: Face, admin: str, app_token: str) -> None:
    user = face.create("/users", {"username": "reset-me"}, admin)["id"]
    for method, path in (("POST", "/users"), ("PATCH", f"/users/{user}")):
        body = {"username": f"{method.lower()}-by-app", "password": "correct horse battery"}
        response = face.call(method, path, app_token, json=body)
        assert response.status_code == 403 and "an app cannot" in response.json["detail"]
        assert "WWW-Authenticate" in response.headers
        del body["password"]
        assert face.call(method, path, app_token, json=body).status_code in (200, 201)


def test_an_app_cannot_measure_by_itself(face: Face, app_token: str) -> None:
    assert face.call("GET", "/comparison?run=true", app_token).status_code == 403


@pytest.mark.asvs("8.2.1")
@pytest.mark.parametrize("form", [{}, {"token_type_hint": "access_token"}])
@pytest.mark.contract("an app never creates, reads or changes a credential, whatever its scopes")
def test_an_app_with_manage_introspects_no_credential(face: Face, form: dict[str, str], app_token: str) -> None:
    headers = {"Authorization": f"Bearer {app_token}"}
    response: Any = face.http.post("/oauth/introspect", data={"token": "lk_pat_x"} | form, headers=headers)
    assert response.status_code == 403 and response.json["error"] == "insufficient_scope"
    assert 'error="insufficient_scope"' in response.headers["WWW-Authenticate"]


def test_a_token_for_another_audience_is_an_invalid_token(face: Face) -> None:
    assert face.call("GET", "/roles", face.pat("orders:read")).status_code == 401


@pytest.mark.asvs("10.3.2")
def test_a_token_whose_roles_are_removed_is_active_without_the_scope(face: Face) -> None:
    username = face.person("roles:read")
    token = face.core.pat(username, "roles:read")[1]
    assert face.call("GET", "/roles", token).status_code == 200
    face.core.assign(username)
    assert face.call("GET", "/roles", token).status_code == 403


def test_a_scope_of_the_same_token_for_another_resource_does_not_count(face: Face) -> None:
    name = "both"
    face.core.role(name, "machine", "manage", "orders:read")
    face.core.client(name, name)
    assert face.call("GET", "/roles", face.core.m2m(name, "orders:read", ORDERS, OWN)).status_code == 403


@pytest.mark.parametrize("sent", ["Basic YTpi", "Digest x", "Bearer", "Bearer ", "bearer\t", "lk_pat_x", ""])
def test_other_schemes_and_missing_tokens_are_unauthenticated(face: Face, sent: str) -> None:
    assert face.call("GET", "/roles", headers={"Authorization": sent}).status_code == 401


def test_options_is_not_an_operation(face: Face, admin: str) -> None:
    response = face.call("OPTIONS", "/roles", admin)
    assert response.status_code == 405 and "GET" in response.headers["Allow"]


@pytest.mark.asvs("8.1.1")
def test_the_description_says_what_the_table_says(face: Face) -> None:
    document = face.call("GET", "/openapi.json").get_json()
    described = {
        f"{method.upper()} {path.removeprefix(PREFIX)}": one["security"]
        for path, operations in document["paths"].items()
        for method, one in operations.items()
        if method != "parameters" and path.startswith(PREFIX)
    }
    assert set(described) == set(TABLE) - {"GET /openapi.json"}
    for name, security in described.items():
        assert security == (_scoped(SCOPED[name]) if name in SCOPED else security)
    assert described["POST /credentials/revoke"] == []
    assert described["GET /me"] == [{"password": []}, {"browser": []}, {"bearer": []}]
    assert described["POST /me/personal-access-tokens"] == [{"password": []}, {"browser": []}]


def _scoped(scope: str) -> list[dict[str, list[str]]]:
    return [{"oauth2": [scope]}, {"bearer": [scope]}]
