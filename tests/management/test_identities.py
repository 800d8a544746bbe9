"""/users/{id}/identities: an operator links an account at an identity provider to somebody, within their own rights."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.actions.audit.actor import OPERATOR
from app.actions.directory.identity_links import MOST_LINKS
from app.actions.directory.identity_provider_records import IdentityProviderChanges
from app.actions.directory.users import UserChanges
from app.models import IdentityLink, OutboxMessage, User, UserSession
from tests.management.face import OWN, Face
from tests.second_factors import at_once
from tests.web.account.provider_scene import ID, NAME, Scene, staged
from tests.web.visitor import sign_in_at_once

pytestmark = pytest.mark.both_databases


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    mail = {"smtp_url": "smtp://127.0.0.1:9", "mail_from": "latchkey@acme.example"}
    with staged(tmp_path, entries={"create_users": None}, **mail) as made:
        yield made


def operator(scene: Scene) -> str:
    return scene.face.machine("users:read", "users:write")


def person(face: Face, *scopes: str) -> str:
    """Make a user with an address; return the id."""
    user_id = face.core.row_id(face.person(*scopes))
    face.core.actions.users.change(OPERATOR, user_id, UserChanges(email=f"{user_id}@acme.example"))
    return user_id


def link(face: Face, token: str, user_id: str, **body: Any) -> Any:
    given = {"provider": ID, "subject": "s-1"} | body
    return face.call("POST", f"/users/{user_id}/identities", token, json=given)


def mails(face: Face) -> list[str]:
    with face.core.store.reading() as session:
        return list(session.scalars(select(OutboxMessage.type)))


@pytest.mark.contract("an operator links an account to somebody within their own rights")
def test_a_linked_account_signs_its_user_in_until_it_is_unlinked(scene: Scene) -> None:
    face, token, user_id = scene.face, operator(scene), person(scene.face)
    assert scene.sign_in(scene.visitor(), "s-1").status_code == 403
    made = link(face, token, user_id)
    assert made.status_code == 201, made.text
    assert made.headers["Location"].endswith(f"/users/{user_id}/identities/{made.json['id']}")
    assert (made.json["provider"], made.json["issuer"]) == (NAME, scene.provider.issuer)
    path = f"/users/{user_id}/identities"
    assert face.call("GET", path, token).json == {"items": [made.json], "next_cursor": None}
    assert face.call("GET", f"{path}/{made.json['id']}", token).json == made.json
    who = scene.admit("s-1", groups=["buyers"])
    [user] = [one for one in face.call("GET", "/users", token).json["items"] if one["id"] == user_id]
    assert user["provided_roles"] == ["buyer"] and who.get("/account").status_code == 200
    assert face.call("DELETE", f"{path}/{made.json['id']}", token).status_code == 204
    assert who.get("/account").status_code == 303 and face.core.count(UserSession) == 0
    assert face.call("GET", f"/users/{user_id}", token).json["provided_roles"] == []
    assert scene.sign_in(scene.visitor(), "s-1").status_code == 403
    assert face.call("GET", f"{path}/{made.json['id']}", token).status_code == 404
    assert [(event.action, event.target) for event in face.core.trace() if "link" in event.action] == [
        ("user.link", user_id),
        ("user.unlink", user_id),
    ]
    assert mails(face).count("linked_account.changed") == 2


def test_what_cannot_be_linked_is_refused_by_its_field(scene: Scene) -> None:
    face, token, user_id = scene.face, operator(scene), person(scene.face)
    for body in (
        *({"provider": "nobody"}, {"provider": ""}, {"provider": "a\x00"}, {"provider": None}),
        *({"subject": ""}, {"subject": "a\u2028b"}, {"subject": "x" * 256}, {"subject": 7}, {"issuer": "x"}),
    ):
        answer = link(face, token, user_id, **body)
        assert answer.status_code == 422, (body, answer.text)
    assert link(face, token, "usr_nobody").status_code == 404
    assert face.call("GET", "/users/usr_nobody/identities", token).status_code == 404
    assert face.core.count(IdentityLink) == 0


def test_of_several_users_one_gets_an_account(scene: Scene) -> None:
    face, token, users = scene.face, operator(scene), [person(scene.face) for _ in range(4)]
    answers: list[Any] = at_once(*[partial(link, face, token, user_id) for user_id in users])
    assert (
        sorted(answer.status_code for answer in answers) == [201, 409, 409, 409] and face.core.count(IdentityLink) == 1
    )


def test_a_user_has_a_bounded_number_of_accounts(scene: Scene) -> None:
    face, token, user_id = scene.face, operator(scene), person(scene.face)
    for number in range(MOST_LINKS):
        assert link(face, token, user_id, subject=f"s-{number}").status_code == 201
    assert link(face, token, user_id, subject="one more").status_code == 409
    first = face.call("GET", f"/users/{user_id}/identities?limit=15", token).json
    rest = face.call("GET", f"/users/{user_id}/identities?limit=15&cursor={first['next_cursor']}", token).json
    assert [len(first["items"]), len(rest["items"])] == [15, MOST_LINKS - 15]


@pytest.mark.asvs("8.2.1")
def test_no_operator_signs_in_as_somebody_who_carries_more(scene: Scene) -> None:
    face, token = scene.face, operator(scene)
    administrator = person(face, "manage")
    answer = link(face, token, administrator)
    assert answer.status_code == 403 and "carries more" in answer.text
    made = link(face, face.machine("manage"), administrator).json
    path = f"/users/{administrator}/identities/{made['id']}"
    assert face.call("DELETE", path, token).status_code == 403 and face.core.count(IdentityLink) == 1


def test_nobody_collects_the_roles_of_a_provider_that_gives_more(tmp_path: Path) -> None:
    """An operator's own user would get an administrator's roles at that person's next sign-in."""
    with staged(tmp_path, entries={"roles": {"admins": ["boss"]}}) as scene:
        face, token = scene.face, operator(scene)
        face.core.role("boss", "user", "manage")
        answer = link(face, token, person(face))
        assert answer.status_code == 403 and "carries more" in answer.text
        manage = face.core.actions.federation.manage
        weak = {"name": "weak", "issuer": scene.provider.issuer, "client_id": "x", "client_secret": "x"}
        other = face.create("/identity-providers", weak, face.machine("manage"))["id"]
        assert link(face, token, person(face), provider=other).status_code == 403, "it is the same issuer"
        elsewhere = {**weak, "name": "elsewhere", "issuer": "https://idp.example"}
        harmless = face.create("/identity-providers", elsewhere, face.machine("manage"))["id"]
        assert link(face, token, person(face), provider=harmless).status_code == 201
        manage.change(OPERATOR, harmless, IdentityProviderChanges(enabled=False))
        assert link(face, token, person(face), provider=harmless, subject="s-2").status_code == 422
        assert link(face, face.machine("manage"), person(face)).status_code == 201


def test_nobody_links_or_unlinks_their_own_account_there(scene: Scene) -> None:
    face = scene.face
    name = face.person("manage")
    user_id, who = face.core.row_id(name), sign_in_at_once(face, name)
    page = f"/console/users/{user_id}"
    assert "on your account's page" in who.get(page).text
    assert who.post(f"{page}/identities", provider=ID, subject="s-1").status_code == 403
    made = link(face, face.machine("manage"), user_id)
    assert made.status_code == 201
    assert who.post(f"{page}/identities/{made.json['id']}/unlink").status_code == 403
    assert face.core.count(IdentityLink) == 1


def test_a_delegate_neither_sees_links_nor_changes_them(scene: Scene) -> None:
    face, user_id = scene.face, person(scene.face)
    made = link(face, operator(scene), user_id).json
    path = f"/users/{user_id}/identities"
    pat = face.pat("users:read", "users:write")
    assert link(face, pat, user_id, subject="s-2").status_code == 403
    assert face.call("DELETE", f"{path}/{made['id']}", pat).status_code == 403
    face.core.app("reader", scopes=["users:read", "users:write"])
    acting = face.core.delegate(face.person("users:read", "users:write"), "reader", "users:read", OWN)
    assert face.call("GET", path, acting.access.token).status_code in (401, 403)
    assert face.core.count(IdentityLink) == 1


def test_the_last_administrator_keeps_the_way_in(scene: Scene) -> None:
    face = scene.face
    user_id = person(face, "manage")
    with face.core.store.transaction() as session:
        session.get_one(User, user_id).password_digest = None
    admin = face.machine("manage")
    made = link(face, admin, user_id).json
    assert face.call("DELETE", f"/users/{user_id}/identities/{made['id']}", admin).status_code == 409
    assert face.core.count(IdentityLink) == 1
