"""/console/identity-providers: add one, change it, delete it; the settings file's are shown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.identity_provider_records import NewIdentityProvider
from app.models import IdentityProvider
from tests.management.face import Face
from tests.web.account.provider_scene import ID, NAME, Scene, staged
from tests.web.visitor import Visitor, sign_in_at_once

SECRET = "a client secret of the provider"
FIELDS = {
    "name": "Acme",
    "issuer": "https://idp.acme.example",
    "client_id": "us",
    "authentication": "client_secret",
    "client_secret": SECRET,
    "scopes": "openid email",
    "username_claim": "email",
    "groups_claim": "groups",
    "roles": "cn=buyers,o=acme = buyer, auditor\nstaff = buyer",
    "required_claims": "hd = acme.example",
    "create_users": "on",
    "enabled": "on",
}
PATH = "/console/identity-providers"
LINES = r'(?s)<textarea[^>]* name="([^"]+)"[^>]*>(.*?)</textarea>'


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with staged(tmp_path) as made:
        yield made


def operator_of(face: Face) -> Visitor:
    return sign_in_at_once(face, face.person("manage"))


@pytest.mark.contract("identity providers: by file, API, console and command")
def test_an_operator_adds_changes_and_deletes_one(scene: Scene) -> None:
    who = operator_of(scene.face)
    assert "required" in who.get(f"{PATH}/new").text
    added = who.post(PATH, **FIELDS)
    assert added.status_code == 303, added.text
    page = who.get(added.location).text
    assert SECRET not in page and "/login/callback/idp_" in page and "cn=buyers,o=acme = buyer, auditor" in page
    [shown] = [one for one in scene.face.core.actions.federation.manage.page(10)[0] if not one.from_file]
    assert shown.roles == {"cn=buyers,o=acme": ["buyer", "auditor"], "staff": ["buyer"]}
    assert shown.required_claims == {"hd": "acme.example"} and shown.scopes == ("openid", "email")
    changed = {name: value for name, value in FIELDS.items() if name not in ("issuer", "client_secret", "create_users")}
    assert who.post(added.location, **(changed | {"name": "Acme 2"})).status_code == 303
    assert "Acme 2" in who.get(PATH).text and "are refused" in who.get(PATH).text
    assert "Nobody signs in there any more" in who.get(f"{added.location}/delete").text
    assert who.post(f"{added.location}/delete").status_code == 303 and scene.face.core.count(IdentityProvider) == 0


@pytest.mark.contract("identity providers: by file, API, console and command")
def test_a_form_that_is_sent_as_it_was_shown_changes_nothing(scene: Scene) -> None:
    who, manage = operator_of(scene.face), scene.face.core.actions.federation.manage
    scene.face.core.role("one, two", "user", "orders:read")
    roles = {"staff": ["one, two", "buyer"], " o = acme ": ["buyer"]}
    claims = {"email_verified": True, "blocked": False, "level": 2, "hd": "true", "a = b": " x = y "}
    given: dict[str, Any] = {"groups_claim": "groups", "roles": roles, "required_claims": claims}
    made = manage.create(OPERATOR, NewIdentityProvider("Acme", "https://a.example", "us", SECRET, **given))
    path = f"{PATH}/{made.id}"
    shown = {name: html.unescape(text) for name, text in re.findall(LINES, who.get(path).text)}
    sent = {**FIELDS, **shown, "client_secret": "", "username_claim": made.username_claim}
    sent["scopes"] = " ".join(made.scopes)
    del sent["issuer"], sent["create_users"]
    assert who.post(path, **sent).status_code == 303
    kept = manage.get(made.id)
    assert replace(kept, client_id=made.client_id) == made and repr(kept.required_claims) == repr(claims)
    more = shown["required_claims"].replace("level = 2", "level = 3") + "\nfurther = true"
    assert who.post(path, **(sent | {"required_claims": more})).status_code == 303
    assert manage.get(made.id).required_claims == claims | {"level": "3", "further": "true"}


@pytest.mark.parametrize(("groups", "status"), [(200, 303), (500, 422)])
def test_a_provider_with_many_groups_loses_none_of_them(scene: Scene, groups: int, status: int) -> None:
    who, manage = operator_of(scene.face), scene.face.core.actions.federation.manage
    roles = {f"{number:036}": ["buyer"] for number in range(groups)}
    new = NewIdentityProvider("Acme", "https://a.example", "us", SECRET, groups_claim="groups", roles=roles)
    path = f"{PATH}/{manage.create(OPERATOR, new).id}"
    shown = {name: html.unescape(text) for name, text in re.findall(LINES, who.get(path).text)}
    sent = {name: value for name, value in FIELDS.items() if name not in ("issuer", "client_secret")}
    assert who.post(path, **(sent | shown | {"name": "Acme 2"})).status_code == status
    [kept] = [one for one in manage.page(10)[0] if not one.from_file]
    assert kept.roles == roles and kept.name == ("Acme 2" if status == 303 else "Acme")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"roles": "buyers"}, "one line for each"),
        ({"roles": "buyers = nobody"}, "there is no role nobody"),
        ({"issuer": "http://idp.acme.example?a"}, "must be an https URL"),
        ({"client_secret": ""}, "either client_secret or private_key_jwt"),
        ({"scopes": "email"}, "must have openid"),
        ({"name": NAME}, "another identity provider has this name"),
        ({"required_claims": "hd"}, "one line for each"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_the_rest_is_kept(
    scene: Scene, changed: dict[str, str], said: str
) -> None:
    who = operator_of(scene.face)
    who.get(f"{PATH}/new")
    answer = who.post(PATH, **(FIELDS | changed))
    assert answer.status_code in (409, 422) and said in answer.text, answer.text
    assert SECRET not in answer.text and 'value="us"' in answer.text


def test_one_of_the_settings_file_is_shown_without_a_form(scene: Scene) -> None:
    who = operator_of(scene.face)
    page = who.get(f"{PATH}/{ID}").text
    assert "changed there" in page and f'action="{PATH}/{ID}"' not in page
    assert re.search(r"buyers: buyer", page) and scene.provider.issuer in page


def test_a_provided_role_is_marked_on_the_page_of_its_user(scene: Scene) -> None:
    scene.admit("s-1", preferred_username="ann", groups=["buyers"])
    page = operator_of(scene.face).get(f"/console/users/{scene.user('ann').id}").text
    assert "From an identity provider" in page and "s-1" in page
