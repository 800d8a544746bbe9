"""Names of objects: stored in one spelling, refused by field, and unique regardless of case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from app.models import User
from tests.core import ORDERS
from tests.management.face import PASSWORD, Face
from tests.management.scene import FEDERATED, Scene, unique
from tests.management.test_requests import fields, problem


@pytest.fixture(scope="module")
def scene(face: Face, admin: str) -> Scene:
    return Scene(face, admin)


Place = Callable[[Scene], tuple[str, dict[str, Any]]]
NOUNS: dict[str, Place] = {  # where it is made, and what is needed besides the name
    "/resources": lambda s: ("/resources", {"identifier": f"https://{unique('api')}.example"}),
    "/roles": lambda s: ("/roles", {"type": "user"}),
    "/clients": lambda s: ("/clients", {}),
    "/clients/{id}/secrets": lambda s: (f"/clients/{s.client()}/secrets", {}),
    "/clients/{id}/federated-credentials": lambda s: (f"/clients/{s.client()}/federated-credentials", FEDERATED),
    "/api-keys": lambda s: ("/api-keys", {"resource": ORDERS}),
    "/users/{id}/personal-access-tokens": lambda s: (
        f"/users/{s.user('orders:read')}/personal-access-tokens",
        {"scopes": ["orders:read"]},
    ),
}
CHANGED = ("/resources", "/roles", "/clients", "/api-keys")
UNIQUE = ("/roles", "/users/{id}/personal-access-tokens")
REFUSED = [
    "",
    " ",
    "\u3000",
    "a\nb",
    "a\r",
    "a\u200bb",
    "\u202eabc",
    "\u2066a\u2069",
    "a\u00ad",
    "\ue000",
    "\u3164",
    "a\u2028b",
]


@pytest.mark.parametrize("noun", NOUNS)
def test_a_name_is_kept_in_its_composed_form_without_space_around(scene: Scene, noun: str) -> None:
    path, more = NOUNS[noun](scene)
    made = scene.create(path, **more | {"name": f" \u00a0E\u0301tude\u2003{noun} "})
    assert made["name"] == f"Étude {noun}"
    if noun in CHANGED:
        changed = scene.face.call(
            "PATCH", f"{path}/{made['id']}", scene.admin, json={"name": f"e\u0301te\u0301 {noun} "}
        )
        assert changed.json["name"] == f"été {noun}"
        for wrong in REFUSED:
            answer = scene.face.call("PATCH", f"{path}/{made['id']}", scene.admin, json={"name": wrong})
            assert fields(answer) == {"name"}


@pytest.mark.contract("names: normalised, visible, unique whatever their case")
@pytest.mark.parametrize("wrong", REFUSED, ids=ascii)
@pytest.mark.parametrize("noun", NOUNS)
def test_a_name_is_one_line_of_visible_characters(scene: Scene, noun: str, wrong: str) -> None:
    path, more = NOUNS[noun](scene)
    assert fields(scene.face.call("POST", path, scene.admin, json=more | {"name": wrong})) == {"name"}


@pytest.mark.contract("names: normalised, visible, unique whatever their case")
@pytest.mark.parametrize("noun", UNIQUE)
def test_unique_names_are_unique_whatever_their_case(scene: Scene, noun: str) -> None:
    path, more = NOUNS[noun](scene)
    scene.create(path, **more | {"name": "Straße É"})
    for other in ("STRASSE É", "straße e\u0301", "Straße É ", "ＳＴＲＡＳＳＥ\u3000é"):
        problem(scene.face.call("POST", path, scene.admin, json=more | {"name": other}), 409)
    scene.create(path, **more | {"name": "Strasse E"})


def test_a_role_may_change_the_case_of_its_own_name_and_not_take_anothers(scene: Scene) -> None:
    one, other = (scene.create("/roles", name=name, type="user")["id"] for name in ("Night Shift", "Day Shift"))
    assert scene.face.call("PATCH", f"/roles/{one}", scene.admin, json={"name": "NIGHT SHIFT"}).status_code == 200
    problem(scene.face.call("PATCH", f"/roles/{other}", scene.admin, json={"name": "night shift"}), 409)
    user = scene.create("/users", username=unique("u"), roles=[" NIGHT\u00a0SHIFT"])
    assert user["roles"] == ["NIGHT SHIFT"]


def test_permission_names_are_unique_whatever_their_case(scene: Scene) -> None:
    path = f"/resources/{scene.resource()}/permissions"
    scene.face.call("POST", path, scene.admin, json={"name": "Stock:Count"})
    problem(scene.face.call("POST", path, scene.admin, json={"name": "stock:count"}), 409)
    problem(scene.face.call("POST", path, scene.admin, json={"name": "MANAGE"}), 409)


def test_a_secret_may_have_no_name(scene: Scene) -> None:
    assert scene.create(f"/clients/{scene.client()}/secrets")["name"] == ""


def test_a_display_name_is_a_name_and_may_be_empty(scene: Scene) -> None:
    assert scene.create("/users", username=unique("u"), display_name=" Zoe\u0308 ")["display_name"] == "Zoë"
    assert scene.create("/users", username=unique("u"), display_name="")["display_name"] == ""
    answer = scene.face.call("POST", "/users", scene.admin, json={"username": unique("u"), "display_name": "a\u202eb"})
    assert fields(answer) == {"display_name"}


def test_email_addresses_are_unique_whatever_their_case(scene: Scene) -> None:
    made = scene.create("/users", username=unique("u"), email="Ann@Shop.example")
    assert made["email"] == "Ann@Shop.example"
    answer = scene.face.call("POST", "/users", scene.admin, json={"username": unique("u"), "email": "ann@shop.EXAMPLE"})
    assert "email" in problem(answer, 409)["detail"]
    found = scene.face.call("GET", "/users?email=ANN@shop.example", scene.admin).json["items"]
    assert [one["id"] for one in found] == [made["id"]]


def test_a_username_that_present_rules_refuse_still_signs_in(scene: Scene) -> None:
    made = scene.create("/users", username=unique("u"), password=PASSWORD)
    with scene.face.core.store.transaction() as session:  # as a node of the version before writes it: without a key
        old = {"username": "\u0430nn-of-old", "username_key": None}
        session.execute(update(User).where(User.id == made["id"]).values(**old))
    assert scene.face.me("\u0430NN-of-old").json["id"] == made["id"]
    path = f"/users/{made['id']}"
    same = {"username": "\u0430nn-of-old", "display_name": "Ann"}
    assert scene.face.call("PATCH", path, scene.admin, json=same).json["username"] == "\u0430nn-of-old"
    assert fields(scene.face.call("PATCH", path, scene.admin, json={"username": "\u0430nn"})) == {"username"}
