"""Signing keys in the console: which one signs, and their rotation and revocation after a confirmation."""

import jwt

from tests.management.face import Face
from tests.web.visitor import Visitor


def states(face: Face) -> dict[str, str]:
    return {key.status: key.kid for key in face.core.actions.rotate_signing_key.list()}


def test_a_rotation_makes_the_next_key_sign(face: Face, operator: Visitor) -> None:
    before, token = states(face), face.machine("manage")
    page = operator.get("/console/signing-keys").text
    assert before["active"] in page and before["next"] in page and 'data-status="next"' in page
    asked = operator.get("/console/signing-keys/rotate").text
    assert before["active"] in asked and before["next"] in asked and states(face) == before
    answer = operator.post("/console/signing-keys/rotate")
    assert answer.status_code == 303
    after = states(face)
    assert after["active"] == before["next"] and after["retiring"] == before["active"]
    listed = operator.get("/console/signing-keys").text
    assert "signs now" in listed and 'data-status="retiring"' in listed and after["next"] in listed
    assert face.core.active(token), "what the old key signed is still good"
    assert jwt.get_unverified_header(face.machine("manage"))["kid"] == before["next"]
    [event] = face.core.trace("signing_key.rotate")
    assert event.actor_type == "user" and event.target == after["active"]


def test_a_stolen_key_is_revoked_once_the_operator_confirms(face: Face, operator: Visitor) -> None:
    before, token = states(face), face.machine("manage")
    assert f"/console/signing-keys/{before['active']}/revoke" in operator.get("/console/signing-keys").text
    asked = operator.get(f"/console/signing-keys/{before['active']}/revoke").text
    assert before["active"] in asked and states(face) == before
    assert operator.post(f"/console/signing-keys/{before['active']}/revoke").status_code == 303
    after = states(face)
    assert after["active"] == before["next"] and before["active"] not in after.values()
    assert not face.core.active(token)
    assert operator.post(f"/console/signing-keys/{before['active']}/revoke").status_code == 404
    assert face.core.trace("signing_key.revoke")[-1].actor_type == "user"
