"""The console's trusted issuers of a client: added, listed as text, removed after a confirmation."""

from html import unescape

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.clients import NewClient
from tests.management.face import Face
from tests.web.visitor import Visitor

pytestmark = pytest.mark.both_databases

ISSUER = "https://ci.example"
GOOD = {"credential_name": "CI of <b>orders</b>", "issuer": ISSUER, "subject": "repo:acme/orders:ref:refs/heads/*"}


@pytest.mark.contract("a trusted issuer's token makes a client of a CI job, without any secret")
def test_a_client_is_registered_without_a_secret_and_trusts_an_issuer(face: Face, operator: Visitor) -> None:
    operator.get("/console/clients/new")
    answer = operator.post("/console/clients", name="a job", token_endpoint_auth_method="federated_jwt")
    assert answer.status_code == 303 and "/console/clients/" in answer.headers["Location"]
    page = answer.headers["Location"]
    shown = unescape(operator.get(page).text)
    assert "authenticates without a secret" in shown and "It trusts none" in shown
    refused = operator.post(f"{page}/secrets", secret_name="one")
    assert refused.status_code == 409 and "takes no secret" in unescape(refused.text)

    assert operator.post(f"{page}/federated-credentials", **GOOD).status_code == 303
    shown = operator.get(page).text
    assert "CI of &lt;b&gt;orders&lt;/b&gt;" in shown and ISSUER in shown and GOOD["subject"] in shown
    client_row_id = page.rpartition("/")[2]
    [kept], _ = face.core.actions.federated_credentials.page(client_row_id, 10)
    assert kept.audience == face.core.actions.settings.issuer
    assert "1 trusted issuer" in operator.get(f"{page}/delete").text

    ending = f"{page}/federated-credentials/{kept.id}/remove"
    assert GOOD["subject"] in operator.get(ending).text
    assert operator.post(ending).status_code == 303
    assert "It trusts none" in unescape(operator.get(page).text)
    assert operator.get(ending).status_code == 404


def test_an_invalid_issuer_is_refused_at_its_field(face: Face, operator: Visitor) -> None:
    client, _ = face.core.actions.clients.create(OPERATOR, NewClient("wrong issuers"))
    operator.get(f"/console/clients/{client.id}")
    for field, value in (
        ("credential_name", ""),
        ("issuer", "http://ci.example"),
        ("issuer", face.core.actions.settings.issuer),
        ("subject", "repo:*"),
        ("audience", "x" * 501),
    ):
        answer = operator.post(f"/console/clients/{client.id}/federated-credentials", **GOOD | {field: value})
        assert answer.status_code == 422 and f'id="{field}-help"' in answer.text, field
        assert answer.text.count('aria-invalid="true"') == 1, field
    assert not face.core.actions.federated_credentials.page(client.id, 10)[0]
