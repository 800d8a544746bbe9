"""The console: the apps of a user and the grants of a client, each ended after a question."""

import pytest

from app.actions.delegation.app_tokens import AppTokens
from app.actions.sign_in.clients import KnownClient
from tests.app_grants import connect_app, register_app
from tests.management.face import Face
from tests.web.visitor import Visitor


def connect(face: Face, client_id: str) -> tuple[str, KnownClient, AppTokens]:
    """Connect an app to a user; return the user's id, the app and its tokens."""
    app, user = register_app(face.core, client_id), face.core.row_id(face.person("orders:read"))
    return user, app, connect_app(face.core, app, user)


def is_live(face: Face, tokens: AppTokens) -> bool:
    return face.core.actions.verify(tokens.access.token) is not None


@pytest.mark.contract("a user ends an app, and so does an operator, by page and by API")
def test_an_operator_ends_an_app_of_a_user(face: Face, operator: Visitor) -> None:
    user, app, tokens = connect(face, "Camera")
    for path in (f"/console/users/{user}", f"/console/users/{user}/apps"):
        assert f"/console/users/{user}/apps/{app.row_id}/end" in operator.get(path).text
    ending = f"/console/users/{user}/apps/{app.row_id}/end"
    assert "End Camera?" in operator.get(ending).text and is_live(face, tokens)
    assert operator.post(ending).location == f"/console/users/{user}#apps"
    assert "No app acts for them" in operator.get(f"/console/users/{user}").text and not is_live(face, tokens)
    assert operator.get(ending).status_code == 404


@pytest.mark.contract("a user ends an app, and so does an operator, by page and by API")
def test_an_operator_revokes_a_grant_of_a_client(face: Face, operator: Visitor) -> None:
    _, app, tokens = connect(face, "Calendar")
    grants = f"/console/clients/{app.row_id}/grants"
    assert grants in operator.get(f"/console/clients/{app.row_id}").text
    revoking = f"{grants}/{tokens.grant_id}/revoke"
    assert revoking in operator.get(grants).text
    assert "Revoke the grant of" in operator.get(revoking).text and is_live(face, tokens)
    assert operator.post(revoking).location == grants
    assert not is_live(face, tokens) and revoking not in operator.get(grants).text
    assert "revoked by an operator" in operator.get(f"{grants}?status=revoked").text
    assert "No grant is active" in operator.get(f"{grants}?status=active").text


def test_a_grant_of_another_client_is_not_found(face: Face, operator: Visitor) -> None:
    _, _, tokens = connect(face, "One")
    other = register_app(face.core, "Other")
    operator.get("/console")
    path = f"/console/clients/{other.row_id}/grants/{tokens.grant_id}/revoke"
    assert operator.get(path).status_code == 404 and operator.post(path).status_code == 404
    assert is_live(face, tokens)


def test_the_events_of_an_app_are_sentences(face: Face, operator: Visitor) -> None:
    user, app, tokens = connect(face, "Clock")
    name = face.core.actions.users.get(user).username
    operator.get("/console")
    operator.post(f"/console/clients/{app.row_id}/grants/{tokens.grant_id}/revoke")
    operator.post(f"/console/users/{user}/apps/{app.row_id}/end")
    page = operator.get(f"/console/audit?target={app.client_id}").text
    assert "allowed the app" in page and "ended the access of the app" in page and name in page
    page = operator.get(f"/console/audit?target={tokens.grant_id}").text
    assert "was connected" in page and "revoked the grant of the app" in page and f"/console/users/{user}#apps" in page
