"""Who may call, and what a client that may is still refused: whatever carries more than it does."""

import json
import re
import subprocess
import sys

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.roles import RoleChanges
from app.actions.directory.users import NewUser, UserChanges
from app.scim.routes import PREFIX, RULES
from tests.architecture.checkout import ROOT
from tests.core import ORDERS
from tests.management.face import OWN, PASSWORD, Face
from tests.scim.provisioner import Provisioner, operation, refused, unique

PATHS = [(method, re.sub("<[^>]+>", "usr_1", rule)) for method, rule, _ in RULES]
NAMES = [f"{method} {path}" for method, path in PATHS]


@pytest.fixture(scope="module")
def strangers(face: Face) -> dict[str, str]:
    """Tokens that open nothing here, each with the reason."""
    face.core.app("scim-app", scopes=["scim"])
    return {
        "nothing": "lk_pat_x",
        "another scope": face.machine("users:write", "roles:write", "users:read"),
        "another audience": face.pat("orders:read"),
        "nobody": face.core.key(ORDERS)[1],
        "an app": face.core.delegate(face.person("scim"), "scim-app", "scim", OWN).access.token,
    }


@pytest.mark.contract("SCIM: a token with the scope `scim`")
@pytest.mark.asvs("8.2.1")
@pytest.mark.spec("RFC 7644 §2")
@pytest.mark.parametrize(("method", "path"), PATHS, ids=NAMES)
def test_nobody_else_is_let_in(face: Face, strangers: dict[str, str], method: str, path: str) -> None:
    answer = face.http.open(f"{PREFIX}{path}", method=method)
    refused(answer, 401)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="latchkey"'
    for reason, token in strangers.items():
        status = 403 if reason in ("another scope", "an app") else 401
        answer = Provisioner(face, token).call(method, path, {} if method in ("POST", "PUT", "PATCH") else None)
        refused(answer, status)
        error = "insufficient_scope" if status == 403 else "invalid_token"
        assert f'error="{error}"' in answer.headers["WWW-Authenticate"], reason


@pytest.mark.contract("SCIM: a token with the scope `scim`")
def test_a_personal_token_and_an_administrators_are_let_in(face: Face) -> None:
    for token in (face.pat("scim"), face.machine("manage")):
        assert Provisioner(face, token).get("/Users")["totalResults"] > 0


def test_what_refused_is_logged_with_its_reason(face: Face, capfd: pytest.CaptureFixture[str]) -> None:
    Provisioner(face, face.machine("users:read")).call("GET", "/Users")
    line = json.loads(capfd.readouterr().err.splitlines()[-1])
    assert (line["error"], line["reason"], line["resource"]) == ("insufficient_scope", "insufficient_scope", OWN)


@pytest.mark.both_databases
@pytest.mark.contract("SCIM: who carries more than the client is out of its reach")
@pytest.mark.parametrize("scope", ["manage", "users:write"])
def test_a_user_who_carries_more_is_seen_and_not_changed(scim: Provisioner, scope: str) -> None:
    name = scim.face.person(scope)
    [user_id] = scim.find_ids("/Users", f'userName eq "{name}"')
    path = f"/Users/{user_id}"
    for method, body in (
        ("PATCH", {"Operations": [operation("replace", "active", False)]}),
        ("PATCH", {"Operations": [operation("replace", "emails", [{"value": "mallory@shop.example"}])]}),
        ("PUT", {"userName": "mallory"}),
        ("DELETE", None),
    ):
        assert "carries more" in refused(scim.call(method, path, body), 403)
    assert scim.face.core.actions.users.get(user_id).enabled


@pytest.mark.both_databases
@pytest.mark.contract("SCIM: who carries more than the client is out of its reach")
def test_a_group_that_gives_more_is_seen_and_not_changed(scim: Provisioner) -> None:
    group, user = scim.group(), scim.user()["id"]
    scim.face.core.actions.roles.change(OPERATOR, group["id"], RoleChanges(permissions=("manage",)))
    path = f"/Groups/{group['id']}"
    for method, body in (
        ("PATCH", {"Operations": [operation("add", "members", [{"value": user}])]}),
        ("PATCH", {"Operations": [operation("replace", "displayName", unique("x"))]}),
        ("PUT", {"displayName": unique("x"), "members": [{"value": user}]}),
        ("DELETE", None),
    ):
        refused(scim.call(method, path, body), 403)
    assert scim.members(group["id"]) == set()
    admin = Provisioner(scim.face, scim.face.machine("manage"))
    admin.patched(path, operation("add", "members", [{"value": user}]))
    assert scim.members(group["id"]) == {user}


@pytest.mark.both_databases
def test_the_last_administrator_is_kept(own_scim: Provisioner) -> None:
    face = own_scim.face
    admin = Provisioner(face, face.machine("manage"))
    [only] = admin.find_ids("/Users", f'userName eq "{face.person("manage")}"')
    refused(admin.patch(f"/Users/{only}", operation("replace", "active", False)), 409)
    refused(admin.call("DELETE", f"/Users/{only}"), 409)


@pytest.mark.both_databases
@pytest.mark.contract("SCIM: groups are the user roles marked `provisioned`")
def test_no_other_role_is_within_reach(scim: Provisioner) -> None:
    role = scim.face.core.role(unique("clerk"), "user", "orders:read")
    machine = scim.face.core.role(unique("worker"), "machine", "orders:read")
    for role_id in (role, machine):
        assert scim.find_ids("/Groups", f'id eq "{role_id}"') == []
        refused(scim.call("GET", f"/Groups/{role_id}"), 404)
        refused(scim.call("DELETE", f"/Groups/{role_id}"), 404)
        refused(scim.patch(f"/Groups/{role_id}", operation("add", "members", [])), 404)


@pytest.mark.both_databases
@pytest.mark.contract("SCIM: groups are the user roles marked `provisioned`")
def test_an_operator_marks_a_role_as_provisioned_and_takes_it_back(scim: Provisioner) -> None:
    face, name = scim.face, unique("team")
    operator, user = face.machine("roles:read", "roles:write"), scim.user()["id"]
    made = face.create("/roles", {"name": name, "type": "user", "permissions": ["orders:read"]}, operator)
    path, group = f"/roles/{made['id']}", f"/Groups/{made['id']}"
    assert made["provisioned"] is False and scim.call("GET", group).status_code == 404
    marked = face.call("PATCH", path, operator, json={"provisioned": True})
    assert marked.status_code == 200 and marked.json["provisioned"] is True
    scim.patched(group, operation("add", "members", [{"value": user}]))
    assert face.core.actions.users.get(user).provided_roles == (name,)
    before = scim.get(group)["meta"]["lastModified"]
    face.core.clock.advance(seconds=1)
    assert face.call("PATCH", path, operator, json={"description": "Buyers"}).status_code == 200
    assert scim.get(group)["meta"]["lastModified"] > before
    assert face.call("PATCH", path, operator, json={"provisioned": False}).status_code == 200
    assert scim.call("GET", group).status_code == 404
    assert (kept := face.core.actions.users.get(user)).roles == (name,) and not kept.provided_roles
    of_machines = {"name": unique("team"), "type": "machine", "provisioned": True}
    assert face.call("POST", "/roles", operator, json=of_machines).status_code == 422
    assert face.create("/roles", of_machines | {"type": "user"}, operator)["provisioned"] is True


@pytest.mark.both_databases
def test_nobody_without_manage_hands_a_role_of_administrators_to_the_directory(scim: Provisioner) -> None:
    face, name = scim.face, unique("administrators")
    role = face.core.role(name, "user", "manage")
    answer = face.call("PATCH", f"/roles/{role}", face.machine("roles:write"), json={"provisioned": True})
    assert answer.status_code == 403
    face.call("PATCH", f"/roles/{role}", face.machine("manage"), json={"provisioned": True})
    refused(scim.patch(f"/Groups/{role}", operation("add", "members", [{"value": scim.user()["id"]}])), 403)


@pytest.mark.both_databases
@pytest.mark.contract("SCIM: groups are the user roles marked `provisioned`")
def test_a_new_group_gives_nothing_until_an_operator_says_what(scim: Provisioner) -> None:
    actions = scim.face.core.actions
    user = scim.user()
    group = scim.group(user["id"])
    assert not actions.users.profile(user["id"]).scopes
    actions.roles.change(OPERATOR, group["id"], RoleChanges(permissions=("orders:read",)))
    assert str(actions.users.profile(user["id"]).scopes) == "orders:read"
    scim.patched(f"/Groups/{group['id']}", operation("remove", "members"))
    assert not actions.users.profile(user["id"]).scopes


@pytest.mark.both_databases
@pytest.mark.contract("SCIM: a role given here stays, one that the directory gives is the directory's")
def test_a_role_given_here_stays_and_a_provided_one_is_not_taken_here(scim: Provisioner) -> None:
    actions, group = scim.face.core.actions, scim.group()
    name, path = group["displayName"], f"/Groups/{group['id']}"
    given = actions.users.create(OPERATOR, NewUser(unique("hal"), password=PASSWORD, roles=(name,)))
    assert scim.members(group["id"]) == set()  # an operator's, of which the directory knows nothing
    scim.patched(path, operation("add", "members", [{"value": given.id}]))
    scim.patched(path, operation("remove", f'members[value eq "{given.id}"]'))
    assert actions.users.get(given.id).roles == (name,)
    provided = scim.user()["id"]
    scim.patched(path, operation("add", "members", [{"value": provided}]))
    assert actions.users.change(OPERATOR, provided, UserChanges(roles=())).roles == (name,)
    assert scim.members(group["id"]) == {provided}


def test_a_server_that_nobody_provisions_does_not_load_the_library() -> None:
    command = [sys.executable, "-m", "tests.scim.unprovisioned"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
