"""The three kinds of section 1: format, what is stored and shown, audience, scope and lifetime."""

import re
import time
import zlib
from datetime import datetime
from hashlib import sha256
from typing import Any

import jwt
import pytest
from sqlalchemy import inspect

from tests.api import Admin, Json, expect, unique
from tests.contract.refusals import invalid, oauth_error
from tests.contract.world import CREDENTIAL_TYPE, KINDS, Kind, World, create_world, scopes_of

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SHAPE = re.compile(r"lk_(?:pat|key|sec)_([0-9A-Za-z]{32})([0-9A-Za-z]{6})")


def check_of(random_part: str) -> str:
    """Return the six check characters, computed from the text of the contract."""
    number, out = zlib.crc32(random_part.encode("ascii")), ""
    while number:
        number, digit = divmod(number, 62)
        out = ALPHABET[digit] + out
    return out.rjust(6, "0")


def opaque(world: World) -> dict[str, str]:
    return {
        "lk_pat_": world.issue("pat").token,
        "lk_key_": world.issue("api_key").token,
        "lk_sec_": world.client.client_secret,
    }


@pytest.mark.contract("prefix, 32 random base62 characters, 6 check characters, padded")
def test_an_opaque_secret_is_prefix_random_and_check(world: World) -> None:
    for prefix, secret in opaque(world).items():
        shape = SHAPE.fullmatch(secret)
        assert secret.startswith(prefix) and shape is not None
        assert shape[2] == check_of(shape[1])


@pytest.mark.contract("random characters from a secure source, none twice")
def test_two_secrets_share_nothing_but_their_prefix(world: World) -> None:
    keys = [world.issue("api_key").token for _ in range(5)]
    assert len({key[7:39] for key in keys}) == 5


@pytest.mark.contract("only a SHA-256 digest, uniquely indexed", "Authlib's mixins keep secrets in clear")
def test_only_the_digest_is_stored_under_a_unique_index(world: World) -> None:
    secrets = opaque(world)
    database = world.admin.server.database
    dump, tables = database.dump(), inspect(database.engine())
    for secret in secrets.values():
        assert sha256(secret.encode()).hexdigest().encode() in dump
        assert secret.encode() not in dump and secret[7:39].encode() not in dump
    with_digest = [n for n in tables.get_table_names() if "digest" in {c["name"] for c in tables.get_columns(n)}]
    assert len(with_digest) >= 3
    for name in with_digest:
        unique = [one["column_names"] for one in tables.get_unique_constraints(name)]
        assert ["digest"] in [*unique, tables.get_pk_constraint(name)["constrained_columns"]], name


@pytest.mark.contract("a secret's hint: its prefix and last four characters")
def test_the_hint_is_the_prefix_and_the_last_four_characters(world: World) -> None:
    pat, key = world.admin.pat(world.user, [world.read]), world.admin.api_key(world.resource)
    assert pat["hint"] == "lk_pat_…" + pat["token"][-4:]
    assert key["hint"] == "lk_key_…" + key["key"][-4:]
    hints = world.admin.get(f"/clients/{world.client.id}/secrets").json()["items"]
    assert [one["hint"] for one in hints] == ["lk_sec_…" + world.client.client_secret[-4:]]


@pytest.mark.asvs("10.1.1")
@pytest.mark.contract("a secret is shown once and never again, on any interface")
def test_the_secret_is_shown_once(world: World) -> None:
    admin = world.admin
    pat, key = admin.pat(world.user, [world.read]), admin.api_key(world.resource)
    pages = [
        admin.get("/api-keys", params={"limit": 200}),
        admin.get(f"/api-keys/{key['id']}"),
        admin.get(f"/users/{world.user.id}"),
        admin.get(f"/users/{world.user.id}/personal-access-tokens"),
        admin.get("/me/personal-access-tokens", auth=world.user.basic),
        admin.get(f"/me/personal-access-tokens/{pat['id']}", auth=world.user.basic),
        admin.get(f"/clients/{world.client.id}"),
        admin.get(f"/clients/{world.client.id}/secrets"),
        admin.get("/audit-events", params={"limit": 200}),
        admin.patch(f"/api-keys/{key['id']}", {"name": unique("renamed")}),
        admin.patch(f"/me/personal-access-tokens/{pat['id']}", {"name": unique("renamed")}, auth=world.user.basic),
    ]
    for page in pages:
        text = expect(200, page).text
        for secret in (pat["token"], key["key"], world.client.client_secret, world.user.password):
            assert secret not in text
    log = admin.server.log_text()
    assert pat["token"] not in log and key["key"] not in log and world.client.client_secret not in log


@pytest.mark.smoke
@pytest.mark.contract("`credential_type` of each kind")
@pytest.mark.parametrize("kind", KINDS)
def test_the_credential_type_is_the_same_word_everywhere(world: World, kind: Kind) -> None:
    held = world.issue(kind)
    assert world.admin.introspect(held.token)["credential_type"] == CREDENTIAL_TYPE[kind]
    answer = world.admin.forward_auth(held.token, world.resource)
    assert answer.headers["X-Auth-Credential-Type"] == CREDENTIAL_TYPE[kind]


@pytest.mark.contract("audience: a PAT's the resources of its scopes, a key's exactly one")
def test_a_personal_access_token_reaches_the_resources_its_scopes_belong_to(world: World) -> None:
    further = unique("further") + ":read"
    second = world.admin.resource(permissions=[further])
    user = world.admin.user([world.user_role, world.admin.role("user", [further])])
    one, both = world.admin.pat(user, [further]), world.admin.pat(user, [further, world.read])
    assert world.admin.introspect(one["token"])["aud"] == [second["identifier"]]
    assert set(world.admin.introspect(both["token"])["aud"]) == {second["identifier"], world.identifier}


@pytest.mark.contract("audience: a PAT's the resources of its scopes, a key's exactly one")
def test_an_api_key_opens_exactly_its_resource(world: World) -> None:
    other = world.admin.resource(public=[unique("other") + ":read"])
    key = world.issue("api_key")
    assert world.admin.introspect(key.token)["aud"] == [world.identifier]
    assert world.admin.forward_auth(key.token, other).status_code == 401


@pytest.mark.contract(
    "an operator issues an API key by console, API, CLI", "scope of each", "a permission may be public"
)
def test_an_api_key_carries_the_public_permissions_or_a_subset(admin: Admin) -> None:
    public, private = unique("open") + ":read", unique("closed") + ":read"
    resource = admin.resource(permissions=[private], public=[public])
    assert admin.introspect(admin.api_key(resource)["key"])["scope"] == public
    assert admin.introspect(admin.api_key(resource, [public])["key"])["scope"] == public
    for wrong in ([private], [public, private], [unique("unknown")]):
        body = {"name": unique("key"), "resource": resource["identifier"], "scopes": wrong}
        assert wrong[-1] in " ".join(invalid(admin.post("/api-keys", body), "scopes"))


def test_a_key_of_all_that_is_public_follows_what_becomes_public(admin: Admin) -> None:
    first, later = unique("first") + ":read", unique("later") + ":read"
    resource = admin.resource(public=[first])
    whole, subset = admin.api_key(resource)["key"], admin.api_key(resource, [first])["key"]
    admin.create(f"/resources/{resource['id']}/permissions", {"name": later, "description": "", "public": True})
    assert scopes_of(admin.introspect(whole)) == {first, later}
    assert scopes_of(admin.introspect(subset)) == {first}


@pytest.mark.contract("scope of each")
def test_a_personal_access_token_never_has_more_than_its_users_roles(world: World) -> None:
    other = unique("other") + ":read"
    world.admin.resource(permissions=[other])
    body = {"name": unique("pat"), "scopes": [world.read, other]}
    response = world.admin.post("/me/personal-access-tokens", body, auth=world.user.basic)
    assert other in " ".join(invalid(response, "scopes"))


@pytest.mark.contract("scope of each")
def test_a_machine_token_never_has_more_than_its_clients_roles(world: World) -> None:
    other = unique("other") + ":read"
    world.admin.resource(permissions=[other])
    form = {"grant_type": "client_credentials", "scope": f"{world.read} {other}"}
    assert other in oauth_error(world.admin.token_request(form, world.client), 400, "invalid_scope")


@pytest.mark.contract("lifetime of each")
def test_each_kind_has_its_lifetime(world: World) -> None:
    pat = world.admin.pat(world.user, [world.read])
    assert _seconds(pat) == pytest.approx(30 * 86_400, abs=2)
    assert world.admin.pat(world.user, [world.read], expires_at=None)["expires_at"] is None
    assert _seconds(world.admin.pat(world.user, [world.read], expires_in=60)) == pytest.approx(60, abs=2)
    assert world.admin.api_key(world.resource)["expires_at"] is None
    assert world.admin.grant(world.client)["expires_in"] == 3600


@pytest.mark.asvs("2.3.2")
@pytest.mark.contract("lifetime of each", "null is never where `PAT_MAX_LIFETIME` allows it")
def test_the_policy_bounds_the_lifetime_of_personal_access_tokens(configured: Admin) -> None:
    admin, world = configured, create_world(configured)
    body: Json = {"name": "too long", "scopes": [world.read]}
    assert _seconds(admin.pat(world.user, [world.read])) == pytest.approx(600, abs=2)
    assert _seconds(admin.pat(world.user, [world.read], expires_in=3600)) == pytest.approx(3600, abs=2)
    wrong: list[dict[str, Any]] = [{"expires_at": None}, {"expires_in": 3601}, {"expires_at": "2099-01-01T00:00:00Z"}]
    for lifetime in wrong:
        response = admin.post("/me/personal-access-tokens", body | lifetime, auth=world.user.basic)
        invalid(response, next(iter(lifetime)))


@pytest.mark.contract("renewal of each")
def test_renewal_is_regenerate_rotate_and_ask_again(world: World) -> None:
    pat, key, jwt_ = (world.issue(kind) for kind in KINDS)
    path = f"/me/personal-access-tokens/{pat.id}/regenerate"
    renewed = expect(200, world.admin.post(path, {}, auth=world.user.basic)).json()
    rotated = expect(200, world.admin.post(f"/api-keys/{key.id}/rotate", {"overlap_seconds": 60})).json()
    again = world.issue("m2m")
    assert renewed["id"] == pat.id and rotated["id"] == key.id and again.id != jwt_.id
    alive = [renewed["token"], rotated["key"], again.token, key.token, jwt_.token]
    assert all(world.admin.active(token) for token in alive)
    assert not world.admin.active(pat.token)


def test_no_row_is_kept_of_a_machine_token(world: World) -> None:
    token = world.issue("m2m").token
    jti = jwt.decode(token, options={"verify_signature": False})["jti"]
    assert jti.encode() not in world.admin.server.database.dump()


def _seconds(pat: Json) -> float:
    assert pat["expires_at"].endswith("Z")
    return datetime.fromisoformat(pat["expires_at"]).timestamp() - time.time()
