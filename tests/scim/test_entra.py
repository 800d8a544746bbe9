"""What Microsoft Entra ID sends, in its own shapes, which depart from the RFC here and there."""

import pytest

from tests.scim.provisioner import ENTERPRISE, GROUP, USER, Provisioner, operation, unique

pytestmark = pytest.mark.both_databases


@pytest.mark.contract("SCIM: the shapes that Okta and Entra send")
@pytest.mark.spec("RFC 7644 §3.3")
def test_a_user_is_looked_for_created_and_found(scim: Provisioner) -> None:
    name = f"{unique('ann')}@contoso.example"
    assert scim.get("/Users", filter=f'userName eq "{name}"')["totalResults"] == 0
    made = scim.user(
        schemas=[USER, ENTERPRISE],
        externalId=unique("ann"),
        userName=name,
        emails=[{"primary": True, "type": "work", "value": name}],
        meta={"resourceType": "User"},
        name={"formatted": "Ann Example", "familyName": "Example", "givenName": "Ann"},
        roles=[],
        **{ENTERPRISE: {"department": "Sales", "manager": "someone"}},
    )
    assert made["emails"] == [{"primary": True, "type": "work", "value": name}]
    assert made[ENTERPRISE] == {"department": "Sales", "manager": {"value": "someone"}}
    assert scim.find_ids("/Users", f'userName eq "{name.upper()}"') == [made["id"]]
    assert scim.find_ids("/Users", f'emails[type eq "work"].value eq "{name}"') == [made["id"]]


@pytest.mark.contract("SCIM: the shapes that Okta and Entra send")
@pytest.mark.spec("RFC 7644 §3.5.2.3")
@pytest.mark.parametrize("no", ["False", "false", False], ids=repr)
def test_active_may_be_a_string_and_verbs_are_capitalised(scim: Provisioner, no: object) -> None:
    user = scim.user()
    patched = scim.patched(f"/Users/{user['id']}", operation("Replace", "active", no))
    assert patched["active"] is False
    again = scim.patched(f"/Users/{user['id']}", operation("Add", "active", "True"))
    assert again["active"] is True


@pytest.mark.contract("SCIM: the shapes that Okta and Entra send")
def test_a_value_is_selected_by_its_type_and_made_where_there_is_none(scim: Provisioner) -> None:
    user, address = scim.user(), f"{unique('bea')}@contoso.example"
    patched = scim.patched(
        f"/Users/{user['id']}",
        operation("Replace", 'emails[type eq "work"].value', address),
        operation("Add", 'phoneNumbers[type eq "mobile"].value', "+1 555 0100"),
        operation("Replace", f"{ENTERPRISE}:department", "Legal"),
        operation("Add", "name.givenName", "Bea"),
    )
    assert patched["emails"] == [{"type": "work", "value": address}]
    assert patched["phoneNumbers"] == [{"type": "mobile", "value": "+1 555 0100"}]
    assert patched[ENTERPRISE] == {"department": "Legal"} and patched["name"] == {"givenName": "Bea"}
    assert scim.face.core.actions.users.get(user["id"]).email == address


@pytest.mark.contract("SCIM: the shapes that Okta and Entra send")
def test_an_object_without_a_path_may_have_paths_as_names(scim: Provisioner) -> None:
    user = scim.user()
    value = {"displayName": "Cy", "name.givenName": "Cy", f"{ENTERPRISE}:employeeNumber": "7"}
    patched = scim.patched(f"/Users/{user['id']}", operation("Replace", None, value))
    assert (patched["displayName"], patched["name"]) == ("Cy", {"givenName": "Cy"})
    assert patched[ENTERPRISE] == {"employeeNumber": "7"}


@pytest.mark.contract("SCIM: the shapes that Okta and Entra send")
def test_an_attribute_that_is_not_kept_is_ignored(scim: Provisioner) -> None:
    user = scim.user(password="correct horse battery staple", extra={"a": 1})
    assert not {"password", "extra", "roles"} & user.keys()
    patched = scim.patched(
        f"/Users/{user['id']}",
        operation("Add", 'roles[primary eq "True"].value', "Manager"),
        operation("Replace", "urn:ietf:params:scim:schemas:extension:Contoso:2.0:User:tag", "x"),
        operation("Replace", "title", "Buyer"),
    )
    assert patched["title"] == "Buyer" and "roles" not in patched
    assert scim.face.core.actions.users.get(user["id"]).enabled


@pytest.mark.contract("SCIM: the shapes that Okta and Entra send")
@pytest.mark.spec("RFC 7644 §3.5.2.2")
def test_members_are_added_and_removed_in_three_shapes(scim: Provisioner) -> None:
    ann, bea, cy = (scim.user()["id"] for _ in range(3))
    path = f"/Groups/{scim.group()['id']}"
    both = [{"$ref": None, "value": ann}, {"$ref": None, "value": bea}]
    scim.patched(path, operation("Add", "members", both))
    assert scim.members(path[8:]) == {ann, bea}
    scim.patched(path, operation("Remove", "members", [{"$ref": None, "value": ann}]))
    assert scim.members(path[8:]) == {bea}
    scim.patched(path, operation("Add", "members", {"value": cy}), operation("Remove", f'members[value eq "{bea}"]'))
    assert scim.members(path[8:]) == {cy}


@pytest.mark.contract("SCIM: the shapes that Okta and Entra send")
def test_members_can_be_left_out_and_asked_for_one_by_one(scim: Provisioner) -> None:
    ann, bea = scim.user()["id"], scim.user()["id"]
    group = scim.group(ann)
    found = scim.get("/Groups", filter=f'displayName eq "{group["displayName"]}"', excludedAttributes="members")
    assert [one.get("members") for one in found["Resources"]] == [None]
    assert scim.find_ids("/Groups", f'id eq "{group["id"]}" and members eq "{ann}"') == [group["id"]]
    assert scim.find_ids("/Groups", f'id eq "{group["id"]}" and members eq "{bea}"') == []


@pytest.mark.contract("SCIM: the shapes that Okta and Entra send")
def test_a_group_is_created_renamed_and_deleted(scim: Provisioner) -> None:
    name = unique("Sales")
    schema = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
    group = scim.group(schemas=[GROUP, schema], externalId="8aa1a0c0", displayName=name)
    patched = scim.patched(f"/Groups/{group['id']}", operation("Replace", "displayName", f"{name} (EU)"))
    assert (patched["displayName"], patched["externalId"]) == (f"{name} (EU)", "8aa1a0c0")
    assert scim.call("DELETE", f"/Groups/{group['id']}").status_code == 204
    assert scim.call("GET", f"/Groups/{group['id']}").status_code == 404
