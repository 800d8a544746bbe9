"""The apps of users over the API: their own, and as an operator sees and ends them."""

import pytest

from tests.app_grants import connect_app, register_app
from tests.management.face import Face


@pytest.mark.contract("a user ends an app, and so does an operator, by page and by API")
def test_a_user_lists_shows_and_ends_their_apps(face: Face) -> None:
    name = face.person("orders:read", "orders:write")
    app = register_app(face.core, "Camera", client_uri="https://camera.example")
    tokens = connect_app(face.core, app, face.core.row_id(name), "orders:read orders:write")
    [listed] = face.me(name, path="/apps").json["items"]
    assert listed == face.me(name, path=f"/apps/{app.row_id}").json
    assert {"client_id": "Camera", "name": "Camera", "registered_by": "operator", "grants": 1}.items() <= listed.items()
    assert listed["scopes"] == ["orders:read", "orders:write"] and listed["client_uri"] == "https://camera.example"
    assert face.me(name, path=f"/apps/{app.row_id}", method="DELETE").status_code == 204
    assert face.core.actions.verify(tokens.access.token) is None
    assert face.me(name, path="/apps").json["items"] == []
    for method in ("GET", "DELETE"):
        assert face.me(name, path=f"/apps/{app.row_id}", method=method).status_code == 404


@pytest.mark.contract("a user ends an app, and so does an operator, by page and by API")
def test_an_operator_lists_and_ends_the_apps_of_a_user(face: Face, admin: str) -> None:
    user, app = face.core.row_id(face.person("orders:read")), register_app(face.core, "Calendar")
    tokens = connect_app(face.core, app, user)
    [listed] = face.call("GET", f"/users/{user}/apps", admin).json["items"]
    assert listed["id"] == app.row_id
    assert face.call("DELETE", f"/users/{user}/apps/{app.row_id}", admin).status_code == 204
    assert face.core.actions.verify(tokens.access.token) is None
    assert face.call("DELETE", f"/users/{user}/apps/{app.row_id}", admin).status_code == 404


def test_an_operator_lists_and_revokes_the_grants_of_a_client(face: Face, admin: str) -> None:
    app = register_app(face.core, "Clock")
    users = [face.core.row_id(face.person("orders:read")) for _ in range(3)]
    grants = [connect_app(face.core, app, user).grant_id for user in users]
    path = f"/clients/{app.row_id}/grants"
    first = face.call("GET", f"{path}?limit=2", admin).json
    second = face.call("GET", f"{path}?limit=2&cursor={first['next_cursor']}", admin).json
    assert [one["id"] for one in first["items"] + second["items"]] == grants[::-1] and second["next_cursor"] is None
    assert face.call("DELETE", f"{path}/{grants[0]}", admin).status_code == 204
    [revoked] = face.call("GET", f"{path}?status=revoked", admin).json["items"]
    assert (revoked["id"], revoked["user_id"], revoked["revoked_reason"]) == (
        grants[0],
        users[0],
        "revoked by an operator",
    )
    assert len(face.call("GET", f"{path}?status=active", admin).json["items"]) == 2


@pytest.mark.parametrize("path", ["/users/usr_none/apps", "/clients/cli_none/grants"])
def test_an_unknown_owner_is_not_found(face: Face, admin: str, path: str) -> None:
    assert face.call("GET", path, admin).status_code == 404


def test_a_grant_of_another_client_is_not_found(face: Face, admin: str) -> None:
    one, other = register_app(face.core, "one"), register_app(face.core, "other")
    grant = connect_app(face.core, one, face.core.row_id(face.person("orders:read"))).grant_id
    assert face.call("DELETE", f"/clients/{other.row_id}/grants/{grant}", admin).status_code == 404
    assert face.call("DELETE", f"/clients/{one.row_id}/grants/{grant}", admin).status_code == 204
