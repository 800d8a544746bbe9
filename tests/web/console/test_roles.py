"""The console's roles: created, their permissions saved by one form, deleted after a confirmation."""

import re

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.roles import NewRole, RoleView
from app.actions.insight.choices import Choices
from tests.management.face import PASSWORD, Face
from tests.web.console.listing import pages_of
from tests.web.visitor import Visitor


def role_of(face: Face, name: str) -> RoleView:
    [role] = face.core.actions.roles.page(1, name=name)[0]
    return role


def is_ticked(page: str, scope: str) -> bool:
    """Return whether the box of a scope is ticked; it must be there."""
    box = page.split(f'name="permissions" value="{scope}"', 1)[1].split(">", 1)[0]
    return "checked" in box


def locked_in(face: Face) -> tuple[str, Visitor]:
    """Return the signed-in browser of a user who has manage by one role alone, and the role."""
    username = face.person("manage")
    visitor = Visitor(face.app.test_client())
    visitor.sign_in(username, PASSWORD)
    return role_of(face, username).id, visitor


@pytest.mark.parametrize("type", ["user", "machine"])
def test_a_role_is_created_with_its_permissions(face: Face, operator: Visitor, type: str) -> None:
    operator.get("/console/roles/new")
    name = f"reader {type}"
    fields = {"name": name, "type": type, "description": "Reads\nthem"}
    assert operator.post("/console/roles", **fields, permissions=["orders:read", "orders:list"]).status_code == 303
    role = role_of(face, name)
    assert (role.type, role.description) == (type, "Reads\nthem")
    assert role.permissions == ("orders:list", "orders:read")
    page = operator.get(f"/console/roles/{role.id}").text
    assert is_ticked(page, "orders:read") and not is_ticked(page, "orders:write")


def test_an_invalid_value_is_refused_at_its_field_and_the_ticks_are_kept(face: Face, operator: Visitor) -> None:
    operator.get("/console/roles/new")
    typeless = operator.post("/console/roles", name="x", type="robot", permissions="orders:read")
    assert typeless.status_code == 422 and 'id="type-problem"' in typeless.text
    assert is_ticked(typeless.text, "orders:read")
    nameless = operator.post("/console/roles", name=" ", type="user")
    assert nameless.status_code == 422 and 'id="name-help">is needed' in nameless.text
    unknown = operator.post("/console/roles", name="x", type="user", permissions="no:such")
    assert unknown.status_code == 422 and "There is no permission no:such" in unknown.text
    face.core.role("taken role", "user")
    taken = operator.post("/console/roles", name="taken role", type="user")
    assert taken.status_code == 409 and 'id="name-help">another role has this name' in taken.text
    control = operator.post("/console/roles", name="x", type="user", permissions="a\0b")
    assert control.status_code == 422 and 'id="permissions-problem"' in control.text


def test_the_matrix_is_saved_whole_and_shows_the_apis(face: Face, operator: Visitor) -> None:
    row = face.core.role("clerk", "user", "orders:read")
    page = operator.get(f"/console/roles/{row}").text
    assert "<small>https://api.example/orders</small>" in page
    ticks = ["orders:write", "orders:list"]
    assert operator.post(f"/console/roles/{row}", name="senior clerk", permissions=ticks).status_code == 303
    assert role_of(face, "senior clerk").permissions == ("orders:list", "orders:write")
    assert operator.post(f"/console/roles/{row}", name="senior clerk").status_code == 303
    assert role_of(face, "senior clerk").permissions == ()


def test_a_matrix_too_large_for_a_page_removes_no_permission(
    face: Face, operator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face.core.actions.choices, "_most", 2)
    row = face.core.role("packer", "user", "orders:write")
    page = operator.get(f"/console/roles/{row}").text
    assert is_ticked(page, "orders:write") and 'name="further_permissions"' in page
    assert page.count('name="permissions"') == 3
    fields = {"name": "packer", "permissions": "orders:write", "further_permissions": "orders:read\n\norders:list\n"}
    assert operator.post(f"/console/roles/{row}", **fields).status_code == 303
    assert role_of(face, "packer").permissions == ("orders:list", "orders:read", "orders:write")


def test_all_is_offered_where_it_fits(face: Face) -> None:
    offer = Choices(face.core.store).permissions()
    assert not offer.more
    assert {api.identifier for api in offer.choices} >= {"https://api.example/orders"}


def test_a_deletion_says_how_many_lose_the_role(face: Face, operator: Visitor) -> None:
    row = face.core.role("porter", "user")
    for number in range(3):
        face.core.user(f"porter-{number}", "porter")
    machine = face.core.role("lift", "machine")
    face.core.client("a-lift", "lift")
    asked = operator.get(f"/console/roles/{row}/delete").text
    assert "3 users<" in asked and "no clients<" in asked
    asked = operator.get(f"/console/roles/{machine}/delete").text
    assert "no users<" in asked and "1 client<" in asked
    assert role_of(face, "porter").id == row, "asking deletes nothing"
    assert operator.post(f"/console/roles/{row}/delete").status_code == 303
    assert not face.core.actions.roles.page(1, name="porter")[0]


def test_a_change_that_takes_manage_from_the_operator_needs_a_confirmation(face: Face) -> None:
    locked_in(face)  # another operator: the last one cannot lose manage
    row, visitor = locked_in(face)
    assert "by this role alone" in visitor.get(f"/console/roles/{row}/delete").text
    visitor.get(f"/console/roles/{row}")
    asked = visitor.post(f"/console/roles/{row}", name="was mine", permissions="orders:read")
    assert asked.status_code == 200 and "by this role alone" in asked.text
    assert 'name="permissions" value="orders:read"' in asked.text and 'name="sure" value="yes"' in asked.text
    assert "manage" in face.core.actions.roles.get(row).permissions
    fields = {"name": "was mine", "permissions": "orders:read", "sure": "yes"}
    assert visitor.post(f"/console/roles/{row}", **fields).status_code == 303
    assert visitor.get("/console/roles").status_code == 403


def test_a_change_needs_no_confirmation_where_another_role_gives_manage(face: Face) -> None:
    username = face.person("manage")
    face.core.role("spare", "user", "manage")
    face.core.assign(username, username, "spare")
    visitor = Visitor(face.app.test_client())
    visitor.sign_in(username, PASSWORD)
    row = role_of(face, "spare").id
    visitor.get(f"/console/roles/{row}")
    assert visitor.post(f"/console/roles/{row}", name="spare").status_code == 303


def test_the_list_goes_on_by_its_cursor_within_its_type(face: Face, operator: Visitor) -> None:
    for number in range(55):
        face.core.actions.roles.create(OPERATOR, NewRole(f"many-{number:02}", "machine"))
    pages = pages_of(operator, "/console/roles?type=machine")
    assert len(pages) > 1 and all("<td>user</td>" not in page for page in pages)
    for number in range(55):
        assert [f">many-{number:02}<" in page for page in pages].count(True) == 1


def test_a_role_lists_its_members_with_their_count(own_face: Face, own_operator: Visitor) -> None:
    core = own_face.core
    row = core.role("porter", "user")
    assert "No user has this role yet" in own_operator.get(f"/console/roles/{row}").text
    people = {name: core.user(name, "porter") for name in ("zoe", "Ann", *(f"m{number:02}" for number in range(60)))}
    core.user("outsider")
    core.enable("zoe", False)
    pages = pages_of(own_operator, f"/console/roles/{row}")
    listed = [re.findall(r'href="/console/users/(\w+)">', page) for page in pages]
    assert [len(some) for some in listed] == [50, 12] and listed[0][0] == people["Ann"]
    assert {one for some in listed for one in some} == set(people.values()) and listed[1][-1] == people["zoe"]
    assert all('Members <span class="badge">62</span>' in page for page in pages)
    assert 'data-status="disabled"' in pages[1] and 'data-status="disabled"' not in pages[0]
    assert "no member after these" in own_operator.get(f"/console/roles/{row}?after=usr_gone").text


def test_a_machine_role_lists_its_clients(own_face: Face, own_operator: Visitor) -> None:
    row = own_face.core.role("lift", "machine")
    client = own_face.core.client("a-lift", "lift")
    page = own_operator.get(f"/console/roles/{row}").text
    assert f'href="/console/clients/{client}">a-lift</a>' in page and "<code>a-lift</code>" in page
