"""Links by the API: answered once without mail, mailed with it."""

import pytest

from tests.management.face import Face

pytestmark = pytest.mark.both_databases


@pytest.mark.contract("invitation and reset links work once, for an hour")
@pytest.mark.parametrize("purpose", ["invitation", "reset"])
def test_without_mail_the_link_is_answered_once(face: Face, purpose: str) -> None:
    token, user = face.machine("users:write"), face.core.row_id(face.person())
    answer = face.call("POST", f"/users/{user}/links", token, json={"purpose": purpose})
    made = answer.json
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    assert made.keys() == {"id", "purpose", "expires_at", "sent_to", "url"}
    assert made["sent_to"] is None and made["purpose"] == purpose
    assert face.core.actions.one_time_links.open(made["url"].partition("#")[2], None).user_id == user


def test_a_refused_link_says_why(face: Face) -> None:
    token, user = face.machine("users:write"), face.core.row_id(face.person())
    assert face.call("POST", f"/users/{user}/links", token, json={}).status_code == 422
    assert face.call("POST", f"/users/{user}/links", token, json={"purpose": "fun"}).status_code == 422
    assert face.call("POST", "/users/usr_none/links", token, json={"purpose": "reset"}).status_code == 404
    face.core.enable(face.core.actions.users.get(user).username, False)
    assert face.call("POST", f"/users/{user}/links", token, json={"purpose": "reset"}).status_code == 409
    reader = face.machine("users:read")
    assert face.call("POST", f"/users/{user}/links", reader, json={"purpose": "reset"}).status_code == 403


def test_no_link_opens_an_account_that_carries_more_than_the_caller(face: Face) -> None:
    token, admin = face.machine("users:write"), face.core.row_id(face.person("manage"))
    assert face.call("POST", f"/users/{admin}/links", token, json={"purpose": "reset"}).status_code == 403
