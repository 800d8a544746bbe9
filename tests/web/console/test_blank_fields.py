"""An optional field that holds only spaces is refused, by the console as by the API."""

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.clients import NewClient
from app.actions.directory.users import NewUser
from tests.management.face import Face
from tests.web.visitor import Visitor

REFUSED = "must not be blank"
BLANK = ("   ", "\u3000", "\u00a0 ")
USER = {"username": "blank", "password": "correct horse battery 7", "enabled": "1"}
CLIENT = {"name": "blank", "token_endpoint_auth_method": "private_key_jwt"}
TRUSTED = {"credential_name": "ci", "issuer": "https://ci.example", "subject": "x"}
FIELDS = [
    ("/console/users", USER, "display_name"),
    ("/console/users", USER, "email"),
    ("/console/users/{user}", USER, "display_name"),
    ("/console/users/{user}", USER, "email"),
    ("/console/clients", CLIENT, "jwks_uri"),
    ("/console/clients/{client}/secrets", {}, "secret_name"),
    ("/console/clients/{client}/federated-credentials", TRUSTED, "audience"),
]


@pytest.fixture(scope="module")
def ids(face: Face) -> dict[str, str]:
    actions = face.core.actions
    client, _ = actions.clients.create(OPERATOR, NewClient("blank fields"))
    return {"client": client.id, "user": actions.users.create(OPERATOR, NewUser("blankfields")).id}


@pytest.mark.parametrize("blank", BLANK)
@pytest.mark.parametrize(("path", "others", "field"), FIELDS)
def test_a_field_of_spaces_alone_is_refused_by_the_console(
    operator: Visitor, ids: dict[str, str], path: str, others: dict[str, str], field: str, blank: str
) -> None:
    operator.get("/console")
    refused = operator.post(path.format(**ids), **others, **{field: blank})
    assert refused.status_code == 422 and f'id="{field}-help">{REFUSED}' in refused.text


def test_an_optional_name_that_is_empty_is_omitted(face: Face, operator: Visitor, ids: dict[str, str]) -> None:
    operator.get("/console")
    made = operator.post(f"/console/clients/{ids['client']}/secrets", secret_name="")
    assert made.status_code == 201
    assert face.core.actions.client_secrets.page(ids["client"], 10)[0][-1].name == ""
