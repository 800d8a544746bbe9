"""RFC 9457: how the management API refuses a request."""

from typing import Any

import pytest

from tests.api import Admin, unique
from tests.contract.refusals import invalid, problem
from tests.contract.world import World


@pytest.mark.contract("errors are problems, a 422 names its fields")
@pytest.mark.spec("RFC 9457 §3")
def test_each_refusal_is_a_problem(world: World) -> None:
    admin = world.admin
    weak = admin.m2m(admin.client([admin.role("machine", ["roles:read"])]))
    taken = {"name": world.user_role["name"], "type": "user", "permissions": []}
    post: Any = lambda **options: admin.request("POST", "/roles", **options)  # noqa: E731
    as_json = {"Content-Type": "application/json"}
    problem(post(content=b"{", headers=as_json), 400)
    problem(admin.get("/roles", auth=False), 401)
    problem(admin.get("/users", auth=weak), 403)
    problem(admin.get("/roles/unknown"), 404)
    problem(admin.get("/unknown"), 404)
    problem(admin.request("PUT", "/roles"), 405)
    problem(admin.post("/roles", taken), 409)
    problem(post(content=b"<x/>", headers={"Content-Type": "application/xml"}), 415)
    problem(admin.post("/roles", {}), 422)


@pytest.mark.spec("RFC 9457 §3.1.1")
def test_the_type_is_a_uri_reference_and_distinguishes_problems_with_the_status(admin: Admin) -> None:
    first, second = admin.get("/roles/unknown"), admin.get("/users/unknown")
    assert first.json()["type"] == second.json()["type"]
    assert first.json()["title"] == second.json()["title"]


@pytest.mark.contract("errors are problems, a 422 names its fields")
@pytest.mark.spec("RFC 9457 §3.2")
def test_a_422_names_each_wrong_field(admin: Admin) -> None:
    body = {"identifier": "x", "name": 7, "access_token_ttl": 59, "permissions": [{"name": "a b"}], "colour": "red"}
    invalid(admin.post("/resources", body), "name", "access_token_ttl", "colour")
    user = {"username": unique("u"), "password": "short"}
    invalid(admin.post("/users", user), "password")


@pytest.mark.spec("RFC 9457 §4")
def test_a_405_names_what_is_allowed(admin: Admin) -> None:
    response = admin.request("PUT", "/roles")
    problem(response, 405)
    assert {"GET", "POST"} <= {method.strip() for method in response.headers["Allow"].split(",")}


@pytest.mark.asvs("16.5.1")
@pytest.mark.spec("RFC 9457 §5")
def test_a_problem_gives_nothing_of_the_inside_away(admin: Admin) -> None:
    for response in (
        admin.request("POST", "/roles", content=b"\xff\xfe", headers={"Content-Type": "application/json"}),
        admin.post("/roles", ["not", "an", "object"]),
        admin.post("/users", {"username": "x\x00y", "password": "p" * 5000}),
        admin.get("/roles/" + "x" * 3000),
        admin.get("/roles", params={"cursor": "'; DROP TABLE role; --"}),
    ):
        assert 400 <= response.status_code < 500
        assert not [word for word in ("Traceback", "sqlalchemy", "sqlite", "marshmallow") if word in response.text]
