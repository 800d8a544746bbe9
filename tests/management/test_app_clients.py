"""Clients that act for users: their grants, redirect URIs and scopes, and which callers register and change them."""

from typing import Any

import pytest
from sqlalchemy import select, update

from app.models import AuditEvent, Client
from tests.management.face import Face
from tests.management.test_requests import fields, problem

URI = "https://app.example/callback"
CODE, REFRESH, MACHINE = "authorization_code", "refresh_token", "client_credentials"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
APP: dict[str, Any] = {"name": "app", "grant_types": [CODE, REFRESH], "redirect_uris": [URI]}
PUBLIC = APP | {"token_endpoint_auth_method": "none"}


def change(face: Face, client: Any, token: str, **changes: Any) -> Any:
    return face.call("PATCH", f"/clients/{client['id']}", token, json=changes)


def test_a_client_is_a_service_unless_it_says_otherwise(face: Face, admin: str) -> None:
    made = face.create("/clients", {"name": "robot"}, admin)
    assert (made["grant_types"], made["redirect_uris"], made["scopes"]) == ([MACHINE], [], None)
    assert made["registered_by"] == "operator" and "client_secret" in made


def test_an_app_has_what_it_was_registered_with(face: Face, admin: str) -> None:
    pages = {"logo_uri": "https://app.example/logo.svg", "client_uri": "https://app.example"}
    pages["policy_uri"] = "http://localhost:3000/privacy#data"
    made = face.create("/clients", APP | pages | {"scopes": ["orders:write", "orders:read"]}, admin)
    assert made["grant_types"] == [CODE, REFRESH] and made["redirect_uris"] == [URI]
    assert made["scopes"] == ["orders:read", "orders:write"] and {name: made[name] for name in pages} == pages
    assert "client_secret" in made
    shown = face.call("GET", f"/clients/{made['id']}", admin).json
    assert shown == {name: value for name, value in made.items() if name != "client_secret"}


@pytest.mark.spec("RFC 6749 §2.1")
def test_a_public_client_has_no_secret_and_gets_none(face: Face, admin: str) -> None:
    made = face.create("/clients", PUBLIC, admin)
    assert "client_secret" not in made and made["token_endpoint_auth_method"] == "none"
    refused = face.call("POST", f"/clients/{made['id']}/secrets", admin, json={})
    assert refused.status_code == 409 and "public" in refused.json["detail"]
    trusted = {"name": "x", "issuer": "https://ci.example", "subject": "job", "jwks_uri": "https://ci.example/keys"}
    assert face.call("POST", f"/clients/{made['id']}/federated-credentials", admin, json=trusted).status_code == 409


@pytest.mark.spec("RFC 7591 §2")
@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"grant_types": []}, "grant_types"),
        ({"grant_types": ["password"]}, "grant_types"),
        ({"grant_types": [CODE]}, "redirect_uris"),
        ({"redirect_uris": [URI]}, "redirect_uris"),
        ({"grant_types": [DEVICE], "redirect_uris": [URI]}, "redirect_uris"),
        ({"grant_types": [REFRESH]}, "grant_types"),
        ({"grant_types": [MACHINE, REFRESH]}, "grant_types"),
        ({"token_endpoint_auth_method": "none"}, "grant_types"),
        (PUBLIC | {"grant_types": [MACHINE, CODE]}, "grant_types"),
        (PUBLIC | {"serves": ["https://orders.example"]}, "serves"),
        (PUBLIC | {"jwks_uri": "https://app.example/keys"}, "jwks_uri"),
        (APP | {"roles": ["machines"]}, "roles"),
        ({"scopes": []}, "scopes"),
        (APP | {"scopes": ["orders:fly"]}, "scopes"),
        (APP | {"redirect_uris": ["http://app.example/"]}, "redirect_uris"),
        (APP | {"redirect_uris": [f"{URI}/{number}" for number in range(51)]}, "redirect_uris"),
        (APP | {"redirect_uris": ["https://app.example/" + "a" * 2000]}, "redirect_uris"),
        (APP | {"logo_uri": "javascript:alert(1)"}, "logo_uri"),
        (APP | {"client_uri": "http://app.example"}, "client_uri"),
        (APP | {"policy_uri": "https://app.example@evil.example"}, "policy_uri"),
        (APP | {"policy_uri": "data:text/html,x"}, "policy_uri"),
    ],
)
def test_what_does_not_fit_together_is_refused(face: Face, admin: str, given: Any, field: str) -> None:
    if "machines" in given.get("roles", ()):
        face.core.role("machines", "machine", "orders:read")
    refused = face.call("POST", "/clients", admin, json={"name": "x"} | given)
    assert refused.status_code == 422, refused.text
    assert field in {name.split(".")[0] for name in fields(refused)}


@pytest.mark.parametrize("grants", [[DEVICE], [DEVICE, REFRESH], [MACHINE, DEVICE]])
def test_a_device_needs_no_redirect_uri(face: Face, admin: str, grants: list[str]) -> None:
    assert face.create("/clients", {"name": "tv", "grant_types": grants}, admin)["redirect_uris"] == []


def test_a_service_becomes_an_app_in_one_step(face: Face, admin: str) -> None:
    face.core.role("shippers", "machine", "orders:read")
    made = face.create("/clients", {"name": "both", "roles": ["shippers"]}, admin)
    assert "roles" in fields(change(face, made, admin, grant_types=[CODE], redirect_uris=[URI]))
    done = change(face, made, admin, grant_types=[CODE], redirect_uris=[URI], roles=[])
    assert done.status_code == 200 and done.json["grant_types"] == [CODE]
    assert "redirect_uris" in fields(change(face, made, admin, redirect_uris=[]))
    assert change(face, made, admin, token_endpoint_auth_method="none").status_code == 200
    back = change(face, made, admin, token_endpoint_auth_method="client_secret_basic", grant_types=[MACHINE, CODE])
    assert back.json["grant_types"] == [MACHINE, CODE]


def test_a_service_that_becomes_an_app_loses_its_own_tokens(face: Face, admin: str) -> None:
    face.core.role("carriers", "machine", "orders:read")
    made = face.create("/clients", {"name": "carrier", "roles": ["carriers"]}, admin)
    face.core._rows[made["client_id"]] = made["id"]
    token = face.core.m2m(made["client_id"], "orders:read")
    assert face.core.actions.verify(token) is not None
    change(face, made, admin, grant_types=[CODE], redirect_uris=[URI], roles=[])
    assert face.core.actions.verify(token) is None


def test_each_change_of_an_app_is_in_the_audit_log(face: Face, admin: str) -> None:
    made = face.create("/clients", APP, admin)
    change(face, made, admin, redirect_uris=[URI, f"{URI}/2"], scopes=["orders:read"], name="renamed")
    with face.core.store.transaction() as session:
        query = select(AuditEvent.action, AuditEvent.details).where(AuditEvent.target == made["client_id"])
        created, changed = session.execute(query.order_by(AuditEvent.id)).all()
    assert created.details["redirect_uris"] == [URI] and created.details["grant_types"] == [CODE, REFRESH]
    assert changed.details["redirect_uris"] == [URI, f"{URI}/2"] and changed.details["scopes"] == ["orders:read"]
    assert set(changed.details["changed"]) == {"redirect_uris", "scopes", "name"}


def test_only_a_client_of_an_operator_has_client_credentials(face: Face, admin: str) -> None:
    made = face.create("/clients", APP, admin)
    with face.core.store.transaction() as session:
        session.execute(update(Client).where(Client.id == made["id"]).values(registered_by="itself"))
    assert "grant_types" in fields(change(face, made, admin, grant_types=[MACHINE, CODE]))
    assert "scopes" in fields(change(face, made, admin, scopes=["clients:write"]))
    assert change(face, made, admin, scopes=["orders:read"]).status_code == 200


# --- who may


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uris": ["https://evil.example/callback"]},
        {"grant_types": [CODE]},
        {"token_endpoint_auth_method": "none"},
    ],
    ids=["redirect_uris", "grant_types", "method"],
)
def test_a_delegate_does_not_change_where_a_code_is_sent(face: Face, admin: str, changes: Any) -> None:
    made = face.create("/clients", APP, admin)
    delegate = face.pat("clients:write", "clients:read", "manage")
    assert problem(change(face, made, delegate, **changes), 403)
    assert change(face, made, delegate, name="renamed").status_code == 200


def test_only_a_holder_of_manage_names_a_scope_of_the_management_api(face: Face, admin: str) -> None:
    registrar = face.machine("clients:write", "clients:read", "audit:read")
    named = APP | {"scopes": ["audit:read", "orders:read"]}
    assert problem(face.call("POST", "/clients", registrar, json=named), 403)
    own = face.create("/clients", APP | {"scopes": ["orders:read"]}, registrar)
    assert problem(change(face, own, registrar, scopes=["audit:read"]), 403)
    assert face.create("/clients", named, admin)["scopes"] == ["audit:read", "orders:read"]


def test_nobody_else_changes_a_client_that_may_get_a_scope_of_the_management_api(face: Face, admin: str) -> None:
    registrar = face.machine("clients:write", "clients:read", "audit:read")
    made = face.create("/clients", APP | {"scopes": ["audit:read"]}, admin)
    for changes in ({"redirect_uris": ["https://evil.example/"]}, {"name": "x"}, {"scopes": None}):
        assert problem(change(face, made, registrar, **changes), 403)
    path = f"/clients/{made['id']}"
    assert problem(face.call("POST", f"{path}/secrets", registrar, json={}), 403)
    assert problem(face.call("DELETE", path, registrar), 403)
    assert change(face, made, admin, name="x").status_code == 200


def test_a_scope_that_was_deleted_may_stay_in_the_ceiling(face: Face, admin: str) -> None:
    face.core.resource("https://brief.example", "brief:read")
    made = face.create("/clients", APP | {"scopes": ["brief:read"]}, admin)
    face.call("DELETE", f"/resources/{face.core.row_id('https://brief.example')}", admin)
    assert change(face, made, admin, scopes=["brief:read", "orders:read"]).status_code == 200
    assert "scopes" in fields(face.call("POST", "/clients", admin, json=APP | {"scopes": ["brief:read"]}))


def test_an_app_is_not_among_the_credentials(face: Face, admin: str) -> None:
    made = [face.create("/clients", given, admin)["id"] for given in (PUBLIC, {"name": "robot"})]
    listed = face.call("GET", "/credentials?kind=client_credentials&limit=100&sort=-created_at", admin).json["items"]
    assert [row_id in {one["id"] for one in listed} for row_id in made] == [False, True]


def test_an_app_does_not_count_as_a_machine_client(face: Face, admin: str) -> None:
    def count() -> int:
        [one] = [one for one in face.core.actions.overview.credentials() if one.kind == "client_credentials"]
        return one.live

    before = count()
    face.create("/clients", APP, admin)
    assert count() == before
    face.create("/clients", {"name": "robot"}, admin)
    assert count() == before + 1
