"""The console's API resources: created, changed, deleted after a confirmation, except for the management API."""

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.resources import NewResource
from tests.core import ORDERS
from tests.management.face import OWN, Face
from tests.web.console.listing import pages_of
from tests.web.visitor import Visitor


def resource_id(face: Face, identifier: str) -> str:
    return face.core.actions.resources.page(1, identifier=identifier)[0][0].id


def create_resource(face: Face, operator: Visitor, name: str) -> str:
    """Define a resource by the form; return its id."""
    operator.get("/console/resources/new")
    identifier = f"https://{name}.example/api"
    answer = operator.post("/console/resources", identifier=identifier, name=name, access_token_ttl="600")
    assert answer.status_code == 303, answer.text
    return resource_id(face, identifier)


def test_a_resource_is_created_and_listed(face: Face, operator: Visitor) -> None:
    row = create_resource(face, operator, "parcels")
    resource = face.core.actions.resources.get(row)
    assert (resource.name, resource.access_token_ttl) == ("parcels", 600)
    page = operator.get("/console/resources").text
    assert f'href="/console/resources/{row}"' in page and "https://parcels.example/api" in page


def test_an_invalid_value_is_refused_at_its_field_and_what_was_typed_is_kept(operator: Visitor) -> None:
    operator.get("/console/resources/new")
    answer = operator.post("/console/resources", identifier="no uri", name="Parcels", access_token_ttl="60")
    assert answer.status_code == 422
    assert 'id="identifier-help">must be an absolute URI' in answer.text and 'value="no uri"' in answer.text
    again = operator.post("/console/resources", identifier="https://a.example", name="", access_token_ttl="1")
    assert again.status_code == 422 and 'id="name-help">is needed' in again.text
    soon = operator.post("/console/resources", identifier="https://a.example", name="A", access_token_ttl="1")
    assert soon.status_code == 422 and 'id="access_token_ttl-help">must be a whole number from 60' in soon.text
    taken = operator.post("/console/resources", identifier=ORDERS, name="A", access_token_ttl="60")
    assert taken.status_code == 409 and 'id="identifier-help">another resource has this' in taken.text


def test_the_name_and_token_lifetime_of_a_resource_change(face: Face, operator: Visitor) -> None:
    row = create_resource(face, operator, "letters")
    operator.get(f"/console/resources/{row}")
    assert operator.post(f"/console/resources/{row}", name="Mail", access_token_ttl="90").status_code == 303
    changed = face.core.actions.resources.get(row)
    assert (changed.name, changed.access_token_ttl) == ("Mail", 90)


def test_a_permission_is_added_changed_published_and_deleted(face: Face, operator: Visitor) -> None:
    row = create_resource(face, operator, "stamps")
    operator.get(f"/console/resources/{row}")
    added = operator.post(f"/console/resources/{row}/permissions", permission="stamps/read", description="See them")
    assert added.status_code == 303
    operator.get(f"/console/resources/{row}/permission?permission=stamps/read")
    fields = {"permission": "stamps/read", "name": "stamps:read", "description": "See", "public": "yes"}
    assert operator.post(f"/console/resources/{row}/permission", **fields).status_code == 303
    [permission] = face.core.actions.resources.get(row).permissions
    assert (permission.name, permission.description, permission.public) == ("stamps:read", "See", True)
    fields = {"permission": "stamps:read", "name": "stamps:read", "description": ""}
    assert operator.post(f"/console/resources/{row}/permission", **fields).status_code == 303
    assert not face.core.actions.resources.get(row).permissions[0].public
    face.core.role("stamp collector", "user", "stamps:read")
    asked = operator.get(f"/console/resources/{row}/permission/delete?permission=stamps:read")
    assert "1 role<" in asked.text and face.core.actions.resources.get(row).permissions
    operator.post(f"/console/resources/{row}/permission/delete?permission=stamps:read")
    assert not face.core.actions.resources.get(row).permissions


@pytest.mark.asvs("2.2.2")
def test_a_scope_that_is_taken_or_malformed_is_refused_by_its_field(face: Face, operator: Visitor) -> None:
    row = create_resource(face, operator, "crates")
    operator.get(f"/console/resources/{row}")
    for scope, status, said in (("orders:read", 409, "is defined already"), ("two words", 422, "visible ASCII")):
        answer = operator.post(f"/console/resources/{row}/permissions", permission=scope, description="kept text")
        assert answer.status_code == status and said in answer.text
        assert f'value="{scope}"' in answer.text and "aria-invalid" in answer.text
        assert ">kept text<" in answer.text


def test_a_deletion_says_what_is_deleted_with_the_resource(face: Face, operator: Visitor) -> None:
    row = face.core.resource("https://old.example", "old:read", public=["old:list"])
    face.core.role("old hand", "user", "old:read")
    key, _ = face.core.key("https://old.example")
    asked = operator.get(f"/console/resources/{row}/delete")
    for said in ("2 permissions", "1 role<", "1 live API key<", "no resource servers"):
        assert said in asked.text
    assert face.core.actions.resources.get(row).name == "https://old.example", "asking deletes nothing"
    assert operator.post(f"/console/resources/{row}/delete").status_code == 303
    assert not face.core.actions.resources.page(1, identifier="https://old.example")[0]
    assert face.core.actions.api_keys.get(key.id).status == "revoked"


def test_the_built_in_api_is_neither_deleted_nor_made_public(face: Face, operator: Visitor) -> None:
    row = resource_id(face, OWN)
    page = operator.get(f"/console/resources/{row}").text
    assert "built-in" in page and f"/console/resources/{row}/delete" not in page
    deleted = operator.post(f"/console/resources/{row}/delete")
    fields = {"permission": "manage", "name": "manage", "public": "yes"}
    published = operator.post(f"/console/resources/{row}/permission", **fields)
    added = operator.post(f"/console/resources/{row}/permissions", permission="further")
    for answer in (deleted, published, added):
        assert answer.status_code == 409 and "management API is built in" in answer.text
    assert not face.core.actions.resources.permission(row, "manage").public


def test_the_list_goes_on_by_its_cursor(face: Face, operator: Visitor) -> None:
    for number in range(55):
        face.core.actions.resources.create(OPERATOR, NewResource(f"https://many.example/{number:02}", f"Many {number}"))
    pages = pages_of(operator, "/console/resources")
    assert len(pages) > 1
    for number in range(55):
        assert [f"https://many.example/{number:02}<" in page for page in pages].count(True) == 1
