"""The console's pages of apps that registered themselves, or that a document describes."""

import pytest
from sqlalchemy import update

from app.actions.audit.actor import OPERATOR
from app.actions.directory.clients import ClientView, NewClient
from app.models import Client
from tests.management.face import Face
from tests.web.visitor import Visitor

URL = "https://app.example/app.json"


@pytest.fixture
def app(own_face: Face) -> ClientView:
    """An app that its document describes."""
    new = NewClient("Shopping list", grant_types=("authorization_code",), redirect_uris=("https://app.example/cb",))
    made, _ = own_face.core.actions.clients.create(OPERATOR, new)
    with own_face.core.store.transaction() as session:
        session.execute(update(Client).where(Client.id == made.id).values(client_id=URL, registered_by="document"))
    return made


def test_the_page_of_an_app_with_a_document_says_how_to_keep_it_out(own_operator: Visitor, app: ClientView) -> None:
    page = own_operator.get(f"/console/clients/{app.id}").text
    assert URL in page and "its client ID metadata document" in page
    assert "comes back with its next request: to keep it out, disable it" in page
    asked = own_operator.get(f"/console/clients/{app.id}/delete").text
    assert "to keep it out, disable it" in asked and "for good" not in asked


@pytest.mark.contract("such clients never get `client_credentials` or a role")
def test_an_app_that_no_operator_registered_serves_no_api(own_face: Face, app: ClientView) -> None:
    token = own_face.machine("manage")
    [identifier] = [r["identifier"] for r in own_face.call("GET", "/resources", token).get_json()["items"]][:1]
    answer = own_face.call("PATCH", f"/clients/{app.id}", token, json={"serves": [identifier]})
    assert answer.status_code == 422 and [e["field"] for e in answer.get_json()["errors"]] == ["serves"]
