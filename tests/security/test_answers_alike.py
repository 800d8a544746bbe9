"""Answers that must be equal for every wrong guess (RFC 6749 §5.2, RFC 7009 §2.2)."""

import pytest
from httpx import USE_CLIENT_DEFAULT

from app.crypto.opaque import Prefix, mint
from tests.api import Admin
from tests.contract.world import World, create_world

PATHS = ("/oauth/token", "/oauth/introspect", "/oauth/revoke")
OWN = ("x-request-id", "date", "content-length")


@pytest.fixture(scope="module")
def world(admin: Admin) -> World:
    return create_world(admin)


def comparable_parts(response: object) -> tuple[object, ...]:
    """Return the parts of an answer that must not differ."""
    headers = response.headers  # type: ignore[attr-defined]
    told = {name: value for name, value in headers.items() if name not in OWN}
    return response.status_code, response.text, told  # type: ignore[attr-defined]


@pytest.mark.contract("unknown client and wrong secret answer alike", "unknown client and wrong secret differ")
@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("basic", [True, False])
def test_unknown_disabled_and_wrong_secret_look_alike(world: World, path: str, basic: bool) -> None:
    disabled = world.admin.client([world.machine_role], enabled=False)
    guesses = [
        (world.client.client_id, mint(Prefix.CLIENT_SECRET)),
        (world.client.client_id, "x"),
        (disabled.client_id, disabled.client_secret),
        ("nobody", mint(Prefix.CLIENT_SECRET)),
        ("nobody", "x"),
    ]
    faces = set()
    for client_id, secret in guesses:
        form = {"grant_type": "client_credentials", "token": "x"}
        if not basic:
            form |= {"client_id": client_id, "client_secret": secret}
        sent = world.admin.http.post(path, data=form, auth=(client_id, secret) if basic else USE_CLIENT_DEFAULT)
        faces.add(repr(comparable_parts(sent)))
    assert len(faces) == 1, faces
    assert "401" in faces.pop()


def test_the_answer_to_a_leak_report_does_not_depend_on_what_it_found(world: World) -> None:
    known, unknown = world.issue("pat").token, mint(Prefix.PAT)
    reports = [
        world.admin.post("/credentials/revoke", {"credentials": [one]}, auth=False)
        for one in (known, unknown, "no credential")
    ]
    assert len({repr(comparable_parts(report)) for report in reports}) == 1
    assert reports[0].status_code == 202


def test_an_unknown_user_and_a_wrong_password_look_alike(world: World) -> None:
    guesses = [(world.user.username, "not the password"), ("nobody-here", "not the password")]
    assert len({repr(comparable_parts(world.admin.get("/me", auth=guess))) for guess in guesses}) == 1


@pytest.mark.spec("RFC 7009 §2.2")
def test_the_answer_to_a_revocation_does_not_depend_on_what_it_found(world: World) -> None:
    tokens = (world.issue("api_key").token, mint(Prefix.API_KEY), "no token")
    assert len({repr(comparable_parts(world.admin.revoke(token))) for token in tokens}) == 1


def test_no_answer_of_forward_auth_says_the_reason(world: World) -> None:
    key = world.issue("api_key").token
    tokens = (
        "no token",
        mint(Prefix.PAT),
        mint(Prefix.API_KEY),
        mint(Prefix.CLIENT_SECRET),
        "eyJhbGciOiJFUzI1NiJ9.e30.x",
    )
    refused = [
        world.admin.http.get(
            "/oauth/forward-auth?resource=https://mistyped.example/", headers={"Authorization": f"Bearer {token}"}
        )
        for token in (*tokens, key)
    ]
    faces = {repr(comparable_parts(answer)) for answer in refused}
    assert len(faces) == 1, faces
    assert "401" in faces.pop()
