"""/identity-providers: operators change theirs and see the settings file's; no secret is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.actions.audit.actor import OPERATOR
from app.actions.directory.identity_provider_records import IdentityProviderChanges, NewIdentityProvider
from app.crypto.provider_secrets import ProviderSecrets
from app.models import IdentityLink, IdentityProvider, ProvidedRole, UserSession
from tests.fake_provider import CLIENT
from tests.fake_provider import SECRET as PROVIDER_SECRET
from tests.management.face import Face, start_face, stop_face
from tests.web.account.provider_scene import ID, NAME, entry, staged

SECRET = "a client secret of the provider"
NEW = {"name": "Acme", "issuer": "https://idp.acme.example", "client_id": "latchkey", "client_secret": SECRET}


@pytest.fixture
def face(tmp_path: Path) -> Iterator[Face]:
    face = start_face(tmp_path, rate_limits="off")
    face.core.role("buyer", "user", "orders:read")
    face.core.role("robot", "machine", "orders:read")
    face.core.role("boss", "user", "manage")
    yield face
    stop_face(face)


def writer(face: Face) -> str:
    return face.machine("identity-providers:read", "identity-providers:write")


def add_provider(face: Face, **others: Any) -> Any:
    return face.create("/identity-providers", NEW | others, writer(face))


@pytest.mark.both_databases
@pytest.mark.contract("identity providers: by file, API, console and command")
def test_a_provider_is_made_shown_changed_and_deleted(face: Face) -> None:
    token = writer(face)
    new = face.create("/identity-providers", NEW, token)
    assert SECRET not in repr(new) and "client_secret" not in new
    assert new["redirect_uri"] == f"https://login.example/login/callback/{new['id']}"
    assert new["backchannel_logout_uri"].endswith(f"/login/backchannel-logout/{new['id']}")
    assert (new["scopes"], new["username_claim"]) == (["openid", "profile", "email"], "preferred_username")
    path = f"/identity-providers/{new['id']}"
    assert face.call("GET", path, token).json == new
    roles = {"staff": ["buyer"]}
    changes = {
        "groups_claim": "groups",
        "roles": roles,
        "create_users": True,
        "required_claims": {"hd": "acme"},
    }
    changed = face.call("PATCH", path, token, json=changes).json
    assert changed == new | changes
    assert [one["id"] for one in face.call("GET", "/identity-providers", token).json["items"]] == [new["id"]]
    assert face.call("DELETE", path, token).status_code == 204
    assert face.call("GET", path, token).status_code == 404
    events = [event.action for event in face.core.trace() if event.target_type == "identity_provider"]
    assert events == ["identity_provider.create", "identity_provider.update", "identity_provider.delete"]
    assert SECRET not in repr([event.details for event in face.core.trace()])


def test_the_secret_is_sealed_and_resealed(face: Face) -> None:
    add_provider(face)
    with face.core.store.reading() as session:
        sealed = session.scalars(select(IdentityProvider.sealed_client_secret)).one()
    assert sealed is not None and SECRET.encode() not in sealed
    settings = face.core.actions.settings
    assert ProviderSecrets(settings.sealing_keys).open(sealed) == SECRET
    keys = face.core.actions.signing_keys
    keys._seal._accepted = lambda: ("n" * 40, "k" * 40)
    with face.core.store.transaction() as session:
        assert keys.sealed_before(session) == 3
        keys.reseal(session)
        assert keys.sealed_before(session) == 0
        again = session.scalars(select(IdentityProvider.sealed_client_secret)).one()
    assert again is not None and again != sealed
    assert ProviderSecrets(lambda: ("n" * 40,)).open(again) == SECRET


BAD: dict[str, dict[str, Any]] = {
    "http": {"issuer": "http://idp.acme.example"},
    "a query": {"issuer": "https://idp.acme.example?a=b"},
    "a fragment": {"issuer": "https://idp.acme.example#a"},
    "a user": {"issuer": "https://user@idp.acme.example"},
    "no URL": {"issuer": "acme"},
    "this server": {"issuer": "https://login.example/"},
    "no secret": {"client_secret": None},
    "both": {"private_key_jwt": True},
    "a secret of two lines": {"client_secret": "a\nb"},
    "no openid": {"scopes": ["profile"]},
    "a scope with a space": {"scopes": ["openid", "a b"]},
    "no username": {"username_claim": ""},
    "roles without groups": {"roles": {"a": ["buyer"]}},
    "an unknown role": {"groups_claim": "groups", "roles": {"a": ["nobody"]}},
    "a machine's role": {"groups_claim": "groups", "roles": {"a": ["robot"]}},
    "a role that is a text": {"groups_claim": "groups", "roles": {"a": "buyer"}},
    "no roles of a group": {"groups_claim": "groups", "roles": {"a": []}},
    "an empty group": {"groups_claim": "groups", "roles": {"": ["buyer"]}},
    "a required object": {"required_claims": {"a": {}}},
    "a required null": {"required_claims": {"a": None}},
    "too many required": {"required_claims": {str(number): "a" for number in range(11)}},
    "a blank name": {"name": "  "},
    "a control character": {"name": "a\u0000"},
    "an unknown field": {"id": "idp_1"},
}


@pytest.mark.parametrize("changed", BAD.values(), ids=BAD)
def test_what_cannot_work_is_refused_by_its_field(face: Face, changed: dict[str, Any]) -> None:
    body = {name: value for name, value in (NEW | changed).items() if value is not None}
    answer = face.call("POST", "/identity-providers", writer(face), json=body)
    assert answer.status_code in (400, 422), answer.text
    assert face.core.count(IdentityProvider) == 0 and SECRET not in answer.text


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"roles": {"a": ["buyer"]}}, "groups_claim"),
        ({"private_key_jwt": True}, "client_secret"),
        ({"issuer": "https://LOGIN.example/"}, "issuer"),
    ],
)
def test_a_refusal_names_the_field_to_change(face: Face, changed: dict[str, Any], field: str) -> None:
    answer = face.call("POST", "/identity-providers", writer(face), json=NEW | changed)
    assert [error["field"] for error in answer.json["errors"]] == [field], answer.text


def test_changes_are_checked_together_with_what_is_there(face: Face) -> None:
    token, new = writer(face), add_provider(face, groups_claim="groups", roles={"a": ["buyer"]})
    path = f"/identity-providers/{new['id']}"
    assert face.call("PATCH", path, token, json={"groups_claim": ""}).status_code == 422
    assert face.call("PATCH", path, token, json={"issuer": "https://other.example"}).status_code == 422
    assert face.call("PATCH", path, token, json={"private_key_jwt": False}).status_code == 200
    by_key = face.call("PATCH", path, token, json={"private_key_jwt": True}).json
    assert by_key["private_key_jwt"] is True
    assert face.call("PATCH", path, token, json={"private_key_jwt": False}).status_code == 422
    assert face.call("PATCH", path, token, json={"client_secret": "another"}).json["private_key_jwt"] is False


def test_two_of_one_name_are_refused(face: Face) -> None:
    add_provider(face)
    assert face.call("POST", "/identity-providers", writer(face), json=NEW).status_code == 409


def test_nobody_gives_more_by_a_provider_than_they_have(face: Face) -> None:
    token, admin = writer(face), face.machine("manage")
    giving = NEW | {"groups_claim": "groups", "roles": {"admins": ["boss"]}}
    assert face.call("POST", "/identity-providers", token, json=giving).status_code == 403
    strong = face.create("/identity-providers", giving, admin)
    path = f"/identity-providers/{strong['id']}"
    for method, body in (("PATCH", {"client_secret": "mine"}), ("PATCH", {"roles": {}}), ("DELETE", None)):
        assert face.call(method, path, token, json=body).status_code == 403
    weak = face.create("/identity-providers", NEW | {"name": "weak"}, token)
    more: dict[str, Any] = {"groups_claim": "groups", "roles": {"a": ["boss"]}}
    assert face.call("PATCH", f"/identity-providers/{weak['id']}", token, json=more).status_code == 403
    another = NEW | {"name": "by a PAT"}
    assert face.call("POST", "/identity-providers", face.pat("manage"), json=another).status_code == 403


def test_the_scopes_are_needed(face: Face) -> None:
    reader, other = face.machine("identity-providers:read"), face.machine("users:write")
    assert face.call("GET", "/identity-providers", reader).status_code == 200
    assert face.call("POST", "/identity-providers", reader, json=NEW).status_code == 403
    assert face.call("GET", "/identity-providers", other).status_code == 403


def test_a_provider_of_the_settings_file_is_shown_and_not_changed(tmp_path: Path) -> None:
    with staged(tmp_path) as scene:
        face, token = scene.face, writer(scene.face)
        [shown] = face.call("GET", "/identity-providers", token).json["items"]
        assert (shown["id"], shown["name"], shown["from_file"], shown["created_at"]) == (ID, NAME, True, None)
        assert shown["roles"] == entry(scene.provider)["roles"] and "secret" not in repr(shown).replace(
            "client_secret", ""
        )
        assert face.call("PATCH", f"/identity-providers/{ID}", token, json={"name": "x"}).status_code == 409
        assert face.call("DELETE", f"/identity-providers/{ID}", token).status_code == 409
        assert face.call("POST", "/identity-providers", token, json=NEW | {"name": NAME.upper()}).status_code == 409


@pytest.mark.both_databases
def test_a_deleted_or_disabled_provider_ends_its_sign_ins_and_its_roles(tmp_path: Path) -> None:
    with staged(tmp_path, identity_provider=[]) as scene:
        manage = scene.face.core.actions.federation.manage
        known = entry(scene.provider, name="Added")
        kept = {name: known[name] for name in ("name", "issuer", "groups_claim", "roles", "create_users")}
        added = manage.create(OPERATOR, NewIdentityProvider(client_id=CLIENT, client_secret=PROVIDER_SECRET, **kept))
        who = scene.visitor()
        url = scene.begin(who, added.id)
        back = scene.provider.consent(url, "s-1", preferred_username="ann", groups=["buyers"])
        assert who.http.get(back).status_code == 303 and scene.roles("ann") == {"buyer": False}
        manage.change(OPERATOR, added.id, IdentityProviderChanges(enabled=False))
        assert who.get("/account").status_code == 303 and scene.face.core.count(UserSession) == 0
        assert scene.visitor().http.get(f"/login/with/{added.id}").status_code == 404
        assert "Added" not in scene.visitor().get("/login").text
        manage.delete(OPERATOR, added.id)
        assert scene.roles("ann") == {} and scene.count(ProvidedRole) == 0 and scene.count(IdentityLink) == 1
