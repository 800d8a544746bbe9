"""RFC 6750: Bearer tokens, and the challenges of servers that accept them."""

import pytest

from tests.api import Admin, expect
from tests.contract.refusals import challenge, problem
from tests.contract.world import KINDS, Kind, World

BAD = "lk_pat_" + "0" * 38


@pytest.mark.contract("401 and 403 carry the RFC 6750 challenge")
@pytest.mark.spec("RFC 6750 §3")
def test_the_management_api_challenges_who_sends_nothing_without_an_error_code(admin: Admin) -> None:
    response = admin.get("/resources", auth=False)
    problem(response, 401)
    assert set(challenge(response, 401)) == {"realm"}


@pytest.mark.contract("401 and 403 carry the RFC 6750 challenge")
@pytest.mark.spec("RFC 6750 §3.1")
@pytest.mark.parametrize("token", [BAD, "x", "a.b.c", "lk_pat_", "a b", "%41"])
def test_the_management_api_says_invalid_token_for_a_bad_one(admin: Admin, token: str) -> None:
    response = admin.get("/resources", auth=token)
    problem(response, 401)
    assert challenge(response, 401)["error"] == "invalid_token"


@pytest.mark.asvs("9.2.3")
@pytest.mark.spec("RFC 6750 §3.1")
@pytest.mark.parametrize("kind", KINDS)
def test_a_token_for_another_resource_is_invalid_at_the_management_api(world: World, kind: Kind) -> None:
    response = world.admin.get("/resources", auth=world.issue(kind).token)
    assert challenge(response, 401)["error"] == "invalid_token"


@pytest.mark.contract(
    "401 and 403 carry the RFC 6750 challenge",
    "flask-smorest rewrites error bodies, drops `WWW-Authenticate` and `Allow`",
)
@pytest.mark.spec("RFC 6750 §3.1")
def test_the_management_api_names_the_scope_that_is_missing(admin: Admin) -> None:
    weak = admin.m2m(admin.client([admin.role("machine", ["roles:read"])]))
    expect(200, admin.get("/roles", auth=weak))
    response = admin.get("/resources", auth=weak)
    problem(response, 403)
    parameters = challenge(response, 403)
    assert parameters["error"] == "insufficient_scope"
    assert "resources:read" in parameters["scope"].split()


@pytest.mark.spec("RFC 6750 §2.1")
def test_the_scheme_name_is_case_insensitive(admin: Admin) -> None:
    expect(200, admin.http.get("/api/v1/roles", headers={"Authorization": f"bEARER {admin.token()}"}))


@pytest.mark.asvs("14.2.1")
@pytest.mark.spec("RFC 6750 §2.3")
def test_a_token_in_the_url_is_not_taken(admin: Admin) -> None:
    response = admin.get("/roles", auth=False, params={"access_token": admin.token()})
    assert response.status_code in (401, 422)


@pytest.mark.spec("RFC 6750 §3")
def test_forward_auth_challenges_who_sends_nothing_without_an_error_code(world: World) -> None:
    assert set(challenge(world.admin.forward_auth(None, world.resource), 401)) == {"realm"}


@pytest.mark.contract("401 with `invalid_token`, without a code when nothing was sent")
@pytest.mark.spec("RFC 6750 §3.1")
def test_forward_auth_says_invalid_token_for_a_bad_one(world: World) -> None:
    assert challenge(world.admin.forward_auth(BAD, world.resource), 401)["error"] == "invalid_token"


@pytest.mark.spec("RFC 6750 §3.1")
def test_forward_auth_names_the_scope_that_is_missing(world: World) -> None:
    token = world.issue("m2m", scope=world.read).token
    parameters = challenge(world.admin.forward_auth(token, world.resource, f"{world.read} {world.write}"), 403)
    assert parameters["error"] == "insufficient_scope"
    assert world.write in parameters["scope"].split()


@pytest.mark.spec("RFC 6750 §3.1")
def test_introspection_says_invalid_token_for_a_bad_bearer(world: World) -> None:
    token = world.issue("api_key").token
    response = world.admin.http.post(
        "/oauth/introspect", data={"token": token}, headers={"Authorization": f"Bearer {BAD}"}
    )
    assert challenge(response, 401)["error"] == "invalid_token"


@pytest.mark.spec("RFC 6750 §3.1", "RFC 7662 §2.3")
def test_introspection_refuses_a_bearer_without_the_scope(world: World) -> None:
    weak = world.admin.m2m(world.admin.client([world.admin.role("machine", ["roles:read"])]))
    response = world.admin.http.post(
        "/oauth/introspect", data={"token": weak}, headers={"Authorization": f"Bearer {weak}"}
    )
    parameters = challenge(response, response.status_code)
    assert response.status_code in (401, 403)
    assert parameters["error"] == "insufficient_scope" and "introspect" in parameters["scope"].split()


@pytest.mark.spec("RFC 6750 §5.3")
def test_the_management_api_lets_nobody_cache_an_answer_with_a_secret(world: World) -> None:
    body = {"name": "never cached", "resource": world.identifier}
    response = expect(201, world.admin.post("/api-keys", body))
    assert "no-store" in response.headers["Cache-Control"]
