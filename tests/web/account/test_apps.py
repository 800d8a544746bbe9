"""/account/apps: what an app may do for a user, and its end."""

from collections.abc import Iterator

import pytest

from app.actions.audit.actor import OPERATOR, Actor
from app.actions.audit.read import AuditFilter
from app.errors import InvalidGrant
from tests.app_grants import connect_app, register_app
from tests.management.face import Face, start_face, stop_face
from tests.web.visitor import Visitor, sign_in_at_once


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    made = start_face(tmp_path_factory.mktemp("apps"), rate_limits="off")
    yield made
    stop_face(made)


@pytest.fixture
def name(face: Face) -> str:
    return face.person("orders:read", "orders:write")


@pytest.fixture
def who(face: Face, name: str) -> Visitor:
    return sign_in_at_once(face, name)


@pytest.mark.asvs("10.7.3")
def test_the_list_says_what_is_allowed_or_that_nothing_is(face: Face, who: Visitor, name: str) -> None:
    assert "No app may act for you" in who.get("/account/apps").text
    app = register_app(face.core, "Camera", client_uri="https://camera.example", registered_by="itself")
    connect_app(face.core, app, face.core.row_id(name))
    page = who.get("/account/apps").text
    for text in ("Camera", "https://camera.example", "registered itself", "orders:read", f"/account/apps/{app.row_id}"):
        assert text in page
    assert "orders:write" not in page and page.count('aria-current="page"') == 1


@pytest.mark.contract("a user ends an app, and so does an operator, by page and by API")
@pytest.mark.asvs("10.4.9", "10.7.3")
def test_an_app_is_ended_after_a_question(face: Face, who: Visitor, name: str) -> None:
    core, app = face.core, register_app(face.core, "Calendar", policy_uri="https://calendar.example/privacy")
    tokens = connect_app(core, app, core.row_id(name))
    page = f"/account/apps/{app.row_id}"
    assert core.actions.verify(tokens.access.token) is not None
    assert "https://calendar.example/privacy" in who.get(page).text
    assert "End the access of" in who.get(f"{page}/end").text and core.actions.verify(tokens.access.token) is not None
    ended = who.post(f"{page}/end")
    assert ended.status_code == 303 and "has no access any more" in who.get(ended.location).text
    assert core.actions.verify(tokens.access.token) is None
    assert who.get(page).status_code == 404 and who.post(f"{page}/end").status_code == 404
    [event], _ = core.actions.audit.page(AuditFilter(action="app.end", target=app.client_id), 10, None)
    assert event.actor == core.row_id(name)


def test_an_app_that_is_not_connected_now_says_what_is_remembered(face: Face, who: Visitor, name: str) -> None:
    app = register_app(face.core, "Once")
    grant = connect_app(face.core, app, face.core.row_id(name)).grant_id
    face.core.actions.apps.end_grant(OPERATOR, grant)
    assert "What you allowed is remembered" in who.get(f"/account/apps/{app.row_id}").text


def test_the_app_of_another_user_is_not_found(face: Face, who: Visitor) -> None:
    app, other = register_app(face.core, "Foreign"), face.person("orders:read")
    tokens = connect_app(face.core, app, face.core.row_id(other))
    who.get("/account/apps")
    for path in (f"/account/apps/{app.row_id}", f"/account/apps/{app.row_id}/end"):
        assert who.get(path).status_code == 404
    assert who.post(f"/account/apps/{app.row_id}/end").status_code == 404
    assert face.core.actions.verify(tokens.access.token) is not None


def test_a_form_of_another_site_ends_nothing(face: Face, who: Visitor, name: str) -> None:
    app = register_app(face.core, "Kept")
    tokens = connect_app(face.core, app, face.core.row_id(name))
    assert who.http.post(f"/account/apps/{app.row_id}/end").status_code == 400
    assert face.core.actions.verify(tokens.access.token) is not None


@pytest.mark.contract("the reuse of a refresh token is a notice to the user")
def test_a_user_sees_that_a_secret_of_an_app_came_twice(face: Face, who: Visitor, name: str) -> None:
    core, app = face.core, register_app(face.core, "Stolen")
    first = connect_app(core, app, core.row_id(name)).refresh_token
    refresh, actor = core.actions.refresh, Actor("client", app.client_id)
    refresh(actor, app, str(first))
    assert "as by a thief" not in who.get("/account/apps").text
    core.clock.advance(seconds=11)
    with pytest.raises(InvalidGrant):
        refresh(actor, app, str(first))
    for page in ("/account/apps", f"/account/apps/{app.row_id}"):
        assert "as by a thief" in who.get(page).text
