"""Names and descriptions are shown as text, on every page and after every refusal."""

from urllib.parse import quote

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.client_secrets import NewClientSecret
from app.actions.directory.clients import NewClient
from app.actions.directory.lifetime import AskedLifetime
from app.actions.directory.personal_access_tokens import NewToken
from app.actions.directory.resources import NewPermission, NewResource
from app.actions.directory.roles import NewRole
from app.actions.directory.users import NewUser
from tests.management.face import Face
from tests.web.visitor import Visitor

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
SCOPE = "<script>alert(1)</script>'><img/src=x/onerror=alert(1)>"  # the most hostile valid scope
EMAIL = "<script>alert(1)</script>\"'><img/src=x/onerror=alert(1)>@x"
IDENTIFIER = "https://evil.example/'onerror=alert(1)"
JWK = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": HOSTILE}
FIELDS = """name identifier description permission username email display_name roles serves permissions jwks_uri jwks
further_permissions access_token_ttl type token_endpoint_auth_method secret_name expires_on scopes"""
REASON = "UPDATE personal_access_token SET revoked_reason = :reason WHERE id = :id"


@pytest.fixture(scope="module")
def paths(face: Face) -> list[str]:
    """Create one object of each kind with hostile names; return the paths of their pages."""
    actions, permission = face.core.actions, NewPermission(SCOPE, HOSTILE, public=True)
    resource = actions.resources.create(OPERATOR, NewResource(IDENTIFIER, HOSTILE, permissions=(permission,))).id
    user_role = actions.roles.create(OPERATOR, NewRole(HOSTILE, "user", HOSTILE, (SCOPE,))).id
    actions.roles.create(OPERATOR, NewRole(f"{HOSTILE} 2", "machine", HOSTILE, (SCOPE,)))
    user = actions.users.create(OPERATOR, NewUser("mallory", EMAIL, display_name=HOSTILE, roles=(HOSTILE,))).id
    new = NewToken(HOSTILE, (SCOPE,), AskedLifetime(), HOSTILE)
    token = actions.personal_access_tokens.create(OPERATOR, user, new)[0].id
    face.core.database.execute(REASON, reason=HOSTILE, id=token)
    new_client = NewClient(HOSTILE, roles=(f"{HOSTILE} 2",), serves=(IDENTIFIER,))
    client = actions.clients.create(OPERATOR, new_client)[0].id
    secret = actions.client_secrets.create(OPERATOR, client, NewClientSecret(HOSTILE))[0].id
    keys = NewClient(HOSTILE, "private_key_jwt", jwks={"keys": [JWK]})
    keyed = actions.clients.create(OPERATOR, keys)[0].id
    return [
        "/console/resources",
        f"/console/resources/{resource}",
        f"/console/resources/{resource}/delete",
        f"/console/resources/{resource}/permission?permission={SCOPE}",
        f"/console/resources/{resource}/permission/delete?permission={SCOPE}",
        "/console/roles",
        "/console/roles/new",
        f"/console/roles/{user_role}",
        f"/console/roles/{user_role}/delete",
        "/console/users",
        "/console/users/new",
        f"/console/users/{user}",
        f"/console/users/{user}/tokens/{token}/revoke",
        f"/console/users/{user}/tokens/new",
        "/console/clients",
        "/console/clients/new",
        f"/console/clients/{client}",
        f"/console/clients/{client}/delete",
        f"/console/clients/{client}/secrets/{secret}/revoke",
        f"/console/clients/{keyed}",
    ]


def assert_only_text(page: str, where: str) -> None:
    """Assert that the hostile text is shown, and not as markup."""
    lowered = page.lower()
    assert "<script>" not in lowered and "<img" not in lowered, where
    assert "'onerror" not in page and "'><" not in page, where
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page, where


@pytest.mark.contract("stored scripts, in every name")
def test_every_page_shows_hostile_names_as_text(operator: Visitor, paths: list[str]) -> None:
    for path in paths:
        answer = operator.get(path)
        assert answer.status_code == 200
        assert_only_text(answer.text, path)


@pytest.mark.contract("stored scripts, in every name")
def test_refused_forms_show_what_was_sent_as_text(operator: Visitor, paths: list[str]) -> None:
    hostile = dict.fromkeys(FIELDS.split(), HOSTILE) | {"permission": SCOPE}
    operator.get("/account")
    ones = [path for path in paths if path.count("/") == 3 and not path.endswith("/new")]
    collections = [f"/console/{section}" for section in ("resources", "roles", "users", "clients")]
    further = [f"{path}/{form}" for path in ones for form in ("permissions", "permission", "keys", "secrets", "tokens")]
    refused = 0
    for path in [*collections, *ones, *further]:
        answer = operator.post(path, **hostile)
        if answer.status_code in (422, 409):
            refused += 1
            assert_only_text(answer.text, path)
        else:
            assert answer.status_code in (404, 405), (path, answer.status_code)
    assert refused >= 8


def test_messages_and_search_terms_are_shown_as_text(operator: Visitor, paths: list[str]) -> None:
    operator.get("/console/roles/new")
    made = operator.post("/console/roles", name=f"{HOSTILE} 3", type="user")
    assert made.status_code == 303
    assert_only_text(operator.get(made.location).text, "flash")
    assert_only_text(operator.get(f"/console/users?q={quote(HOSTILE)}").text, "search")


def test_the_lock_out_confirmation_shows_sent_values_as_text(face: Face, operator: Visitor) -> None:
    me = operator.get("/account").text.split("<dt>Username</dt><dd>")[1].split("<")[0]
    [user] = face.core.actions.users.page(1, username=me)[0]
    asked = operator.post(f"/console/users/{user.id}", username=me, display_name=HOSTILE, enabled="yes")
    assert asked.status_code == 200 and "This is you" in asked.text
    assert_only_text(asked.text, "asked again")
