"""PASSWORDS: who signs in with a password, by the form and by Basic at /me."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.actions.sign_in.password_policy import PasswordPolicy
from app.errors import BadSettings
from app.maintenance.provider_checks import find_unknown_roles, has_way_in, refuse_no_way_in
from tests.fake_provider import CLIENT
from tests.management.face import PASSWORD, start_face, stop_face
from tests.web.account.provider_scene import NAME, Scene, staged
from tests.web.visitor import Visitor


@pytest.mark.contract("`PASSWORDS` `on`, `administrators`, `off`")
def test_off_shows_no_form_and_accepts_no_password(tmp_path: Path) -> None:
    with staged(tmp_path, passwords="off") as scene:
        form = scene.visitor().get("/login").text
        assert f"Sign in with {NAME}" in form and 'name="password"' not in form
        name, who = scene.face.person("manage"), scene.visitor()
        who.get("/compare")
        answer = who.sign_in(name, PASSWORD)
        assert answer.status_code in (400, 401) and who.get("/account").status_code == 303
        refused = scene.face.me(name)
        assert refused.status_code == 401 and "passwords are off here" in refused.json["detail"]
        signed_in = scene.admit("s-1", preferred_username="ann")
        page = signed_in.get("/account").text
        assert "Change your password" not in page
        assert signed_in.http.get("/api/v1/me").status_code == 200


@pytest.mark.contract("`PASSWORDS` `on`, `administrators`, `off`")
def test_administrators_alone_keep_their_passwords(tmp_path: Path) -> None:
    with staged(tmp_path, passwords="administrators") as scene:
        boss, person = scene.face.person("manage"), scene.face.person("orders:read")
        assert 'name="password"' in scene.visitor().get("/login").text
        assert scene.visitor().sign_in(boss, PASSWORD).status_code == 303
        assert scene.visitor().sign_in(person, PASSWORD).status_code == 401
        assert (scene.face.me(boss).status_code, scene.face.me(person).status_code) == (200, 401)
        wrong, not_allowed = scene.face.me(person, "wrong wrong wrong").json, scene.face.me(person).json
        assert wrong["detail"] == not_allowed["detail"]


@pytest.mark.contract("user enumeration and brute force")
@pytest.mark.parametrize("setting", ["on", "administrators"])
def test_an_unknown_name_costs_the_same_queries(tmp_path: Path, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    face = start_face(tmp_path, passwords=setting, rate_limits="off")
    asked, allows = [], PasswordPolicy.allows

    def note(policy: PasswordPolicy, connection: Any, user_id: str) -> bool:
        asked.append(user_id)
        return allows(policy, connection, user_id)

    monkeypatch.setattr(PasswordPolicy, "allows", note)
    for name in (face.person("orders:read"), "nobody"):
        assert face.me(name, "wrong wrong wrong").status_code == 401
    assert len(asked) == 2
    stop_face(face)


def test_on_everybody_has_one(tmp_path: Path) -> None:
    with staged(tmp_path) as scene:
        assert scene.visitor().sign_in(scene.face.person(), PASSWORD).status_code == 303


@pytest.mark.contract("`PASSWORDS` `on`, `administrators`, `off`")
def test_without_any_way_in_the_start_is_refused(tmp_path: Path) -> None:
    face = start_face(tmp_path, passwords="off")
    settings, store = face.core.actions.settings, face.core.store
    assert not has_way_in(settings, store)
    with pytest.raises(BadSettings, match="PASSWORDS is off"):
        refuse_no_way_in(settings, store)
    assert "Nobody can sign in here yet" in Visitor(face.app.test_client()).get("/login").text
    new = {"name": "A", "issuer": "https://a.example", "client_id": CLIENT, "private_key_jwt": True}
    face.create("/identity-providers", new, face.machine("manage"))
    assert has_way_in(settings, store)
    stop_face(face)


def test_roles_of_the_file_that_do_not_exist_are_found(tmp_path: Path) -> None:
    roles = {"a": ["buyer", "nobody"], "b": ["robot"]}
    with staged(tmp_path, entries={"roles": roles}) as scene:
        scene.face.core.role("robot", "machine", "orders:read")
        found = find_unknown_roles(scene.face.core.actions.settings, scene.face.core.store)
        assert found == [f"{NAME}: a = nobody", f"{NAME}: b = robot"]
        assert gives_nothing(scene)


def gives_nothing(scene: Scene) -> bool:
    """Return whether a machine's role, and one that does not exist, are given to nobody."""
    scene.admit("s-1", preferred_username="ann", groups=["a", "b"])
    return scene.roles("ann") == {"buyer": False}


@pytest.mark.parametrize("settings", [{"passwords": "administrators"}, {"require_second_factor": "everybody"}])
def test_where_users_need_more_than_a_password_no_comparison_is_made(tmp_path: Path, settings: dict[str, Any]) -> None:
    face = start_face(tmp_path, **settings)
    manager = face.machine("manage")
    refused = face.call("GET", "/comparison?run=true", manager)
    assert refused.status_code == 409 and "it needs PASSWORDS on" in refused.json["detail"]
    assert face.call("GET", "/comparison", manager).json["at"] is None
    stop_face(face)
