"""What Okta sends, in its own shapes."""

import pytest

from tests.scim.provisioner import Provisioner, operation, refused, unique

pytestmark = pytest.mark.both_databases


@pytest.mark.contract("SCIM: the shapes that Okta and Entra send")
def test_a_user_comes_with_a_password_and_groups_that_are_ignored(scim: Provisioner) -> None:
    name = f"{unique('dee')}@okta.example"
    assert scim.get("/Users", filter=f'userName eq "{name}"', startIndex="1", count="100")["Resources"] == []
    made = scim.user(
        userName=name,
        name={"givenName": "Dee", "familyName": "User"},
        emails=[{"primary": True, "value": name, "type": "work"}],
        displayName="Dee User",
        locale="en-US",
        externalId="00ujl29u0le5T6Aj10h7",
        groups=[],
        password="1mz050nq",
    )
    assert made["externalId"] == "00ujl29u0le5T6Aj10h7" and made["locale"] == "en-US" and made["active"] is True
    assert scim.find_ids("/Users", 'externalId eq "00ujl29u0le5T6Aj10h7"') == [made["id"]]
    assert scim.find_ids("/Users", 'externalId eq "00UJL29U0LE5T6AJ10H7"') == []  # RFC 7643 §3.1: case-exact


@pytest.mark.contract("SCIM: the shapes that Okta and Entra send")
def test_a_user_is_deactivated_by_an_object_without_a_path(scim: Provisioner) -> None:
    user = scim.user()
    assert scim.patched(f"/Users/{user['id']}", operation("replace", None, {"active": False}))["active"] is False


@pytest.mark.contract("SCIM: the shapes that Okta and Entra send")
@pytest.mark.spec("RFC 7644 §3.5.1")
def test_a_profile_is_pushed_whole(scim: Provisioner) -> None:
    user = scim.user(title="Buyer", externalId="one")
    pushed = user | {"displayName": "Eve", "title": None, "emails": []}
    answer = scim.call("PUT", f"/Users/{user['id']}", pushed)
    assert answer.status_code == 200 and answer.json is not None
    assert "title" not in answer.json and answer.json["displayName"] == "Eve" and answer.json["externalId"] == "one"


@pytest.mark.spec("RFC 7644 §3.5.1")
def test_a_profile_without_active_neither_enables_nor_disables(scim: Provisioner) -> None:
    user = scim.user(active=False)
    body = {name: value for name, value in user.items() if name != "active"}
    answer = scim.call("PUT", f"/Users/{user['id']}", body)
    assert answer.json is not None and answer.json["active"] is False


@pytest.mark.contract("SCIM: the shapes that Okta and Entra send")
def test_a_group_is_renamed_with_its_id_in_the_value(scim: Provisioner) -> None:
    group, name = scim.group(), unique("Everyone")
    value = {"id": group["id"], "displayName": name}
    assert scim.patched(f"/Groups/{group['id']}", operation("replace", None, value))["displayName"] == name


@pytest.mark.contract("SCIM: the shapes that Okta and Entra send")
def test_members_are_pushed_one_by_one_and_replaced_by_an_empty_list(scim: Provisioner) -> None:
    ann, bea = scim.user()["id"], scim.user()["id"]
    path = f"/Groups/{scim.group(ann)['id']}"
    scim.patched(
        path,
        operation("remove", f'members[value eq "{ann}"]'),
        operation("add", "members", [{"value": bea, "display": "bea@okta.example"}]),
    )
    assert scim.members(path[8:]) == {bea}
    scim.patched(path, operation("replace", "members", [{"value": ann}, {"value": bea}]))
    assert scim.members(path[8:]) == {ann, bea}
    scim.patched(path, operation("replace", None, {"members": []}))
    assert scim.members(path[8:]) == set()


@pytest.mark.contract("SCIM: the shapes that Okta and Entra send")
@pytest.mark.spec("RFC 7644 §3.3.1")
def test_what_exists_is_a_conflict(scim: Provisioner) -> None:
    user, group = scim.user(), scim.group()
    refused(scim.call("POST", "/Users", {"userName": user["userName"].upper()}), 409, "uniqueness")
    refused(scim.call("POST", "/Groups", {"displayName": group["displayName"]}), 409, "uniqueness")
    address = f"{unique('fay')}@okta.example"
    scim.user(emails=[{"value": address}])
    taken = {"userName": unique("fay"), "emails": [{"value": address.upper()}]}
    refused(scim.call("POST", "/Users", taken), 409, "uniqueness")
