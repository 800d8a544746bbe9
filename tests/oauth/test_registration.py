"""Apps that register themselves (RFC 7591) and manage their registration (RFC 7592)."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.app_metadata import LARGEST, MOST_MEMBERS
from app.actions.directory.clients import ClientChanges
from app.actions.limits.abuse import NEW_APPS, REGISTRATIONS_OF_ADDRESS
from app.crypto.opaque import Prefix, mint, prefix_of
from app.models import Client, Consent
from app.oauth.registration_description import METADATA
from tests.core import ISSUER
from tests.oauth.authorizing import Person, parameters_of, redeem
from tests.oauth.registering import ADDRESS, CALLBACK, CONFIDENTIAL, PUBLIC, Registry, row_of
from tests.oauth.wire import ORDERS, OWN, Wire, public_jwk, refused, start_wire, stop_wire

KEYLESS = {"token_endpoint_auth_method": "private_key_jwt"}
MakeWire = Callable[..., Wire]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry for holders of an initial access token."""
    made = start_wire(tmp_path_factory.mktemp("guarded"), registration="token")
    made.core.role("registrar", "machine", "clients:write")
    made.core.role("reader", "machine", "clients:read")
    made.core.role("manager", "user", "manage", "clients:write")
    made.core.client("registrar", "registrar")
    made.core.client("reader", "reader")
    made.core.user("bob", "manager")
    yield Registry(made)
    stop_wire(made)


@pytest.mark.contract("Authlib's registration: a secret for every client, times by another clock")
@pytest.mark.spec("RFC 7591 §3.2.1")
def test_a_public_app_registers_and_gets_no_secret(registry: Registry) -> None:
    answer = registry.register()
    app = answer.json
    assert answer.status_code == 201 and answer.headers["Cache-Control"] == "no-store"
    token = app.pop("registration_access_token")
    assert prefix_of(token) is Prefix.REGISTRATION
    assert app.pop("client_id_issued_at") == int(registry.wire.core.clock().timestamp())
    client_id = app.pop("client_id")
    assert app.pop("registration_client_uri") == f"{ISSUER}/oauth/register/{client_id}"
    assert app == PUBLIC | {"response_types": ["code"]}
    row: Any = row_of(registry, client_id)
    assert row.registered_by == "itself" and token not in str(vars(row))
    assert row.roles == [] and row.serves == [] and row.secrets == []


@pytest.mark.contract("registration by RFC 7591 for public and confidential code clients")
@pytest.mark.spec("RFC 7591 §2")
def test_what_is_left_out_has_the_defaults_of_the_rfc(registry: Registry) -> None:
    app = registry.register({"redirect_uris": [CALLBACK]}).json
    assert app["grant_types"] == ["authorization_code"] and app["response_types"] == ["code"]
    assert app["token_endpoint_auth_method"] == "client_secret_basic"
    assert prefix_of(app["client_secret"]) is Prefix.CLIENT_SECRET and app["client_secret_expires_at"] == 0
    assert app["client_name"] == app["client_id"] and "scope" not in app


def test_its_secret_authenticates_it_and_gives_it_nothing(registry: Registry) -> None:
    app = registry.register(CONFIDENTIAL).json
    answer = registry.wire.token((app["client_id"], app["client_secret"]))
    assert answer.status_code == 400 and answer.json["error"] in ("invalid_scope", "unauthorized_client")
    introspected = registry.wire.introspect(registry.wire.bearer, (app["client_id"], app["client_secret"]))
    assert introspected == {"active": False}


@pytest.mark.spec("RFC 7591 §2")
def test_an_app_with_keys_gets_no_secret(registry: Registry) -> None:
    jwks = {"keys": [public_jwk(registry.wire.key, "k1")]}
    app = registry.register(PUBLIC | KEYLESS | {"jwks": jwks}).json
    assert app["jwks"] == jwks and "client_secret" not in app
    remote = registry.register(PUBLIC | KEYLESS | {"jwks_uri": "https://app.example/jwks"}).json
    assert remote["jwks_uri"] == "https://app.example/jwks" and "jwks" not in remote


def test_a_device_app_needs_no_redirect_uri(registry: Registry) -> None:
    device = "urn:ietf:params:oauth:grant-type:device_code"
    app = registry.register({"grant_types": [device, "refresh_token"], "token_endpoint_auth_method": "none"}).json
    assert app["redirect_uris"] == [] and app["response_types"] == []
    assert app["grant_types"] == ["refresh_token", device]


@pytest.mark.contract("Authlib's registration: echoes what was sent")
@pytest.mark.spec("RFC 7591 §2")
def test_unknown_members_are_ignored_and_so_are_pages_that_are_not_at_an_https_url(registry: Registry) -> None:
    pages = {"client_uri": "javascript:alert(1)", "logo_uri": "data:image/png;base64,AA", "policy_uri": "https://a.b/p"}
    more = {"contacts": ["a@b.example"], "client_name#de": "Liste", "roles": ["worker"], "serves": [ORDERS], "x": {}}
    app = registry.register(PUBLIC | pages | more | {"client_id": "robot", "registered_by": "operator"}).json
    assert not {"client_uri", "logo_uri", "roles", "serves", "x", "contacts"} & app.keys()
    assert app["policy_uri"] == "https://a.b/p" and app["client_id"] != "robot"
    row: Any = row_of(registry, app["client_id"])
    assert row.roles == [] and row.serves == [] and row.registered_by == "itself"


def test_its_scopes_exist_and_are_never_of_the_management_api(registry: Registry) -> None:
    app = registry.register(PUBLIC | {"scope": "orders:read openid manage clients:write orders:write"}).json
    assert app["scope"] == "orders:read orders:write"
    assert "scope" not in registry.register(PUBLIC | {"scope": "openid manage"}).json


BAD_URIS: dict[str, Any] = {
    "none": [],
    "left out": None,
    "plain http": ["http://app.example/callback"],
    "a fragment": [f"{CALLBACK}#x"],
    "a user": ["https://user@app.example/callback"],
    "a wildcard": ["https://*.app.example/callback"],
    "a script": ["javascript:alert(1)"],
    "a scheme without a dot": ["myapp:/callback"],
    "one good and one bad": [CALLBACK, "http://evil.example/"],
    "too many": [f"{CALLBACK}/{number}" for number in range(51)],
    "empty": [""],
    "a text": CALLBACK,
    "not texts": [7],
}


@pytest.mark.contract("Authlib's registration: any JSON value, any redirect URI, another content type")
@pytest.mark.spec("RFC 7591 §3.2.2")
@pytest.mark.parametrize("case", BAD_URIS)
def test_a_bad_redirect_uri_has_its_own_error(registry: Registry, case: str) -> None:
    refused(registry.register(PUBLIC | {"redirect_uris": BAD_URIS[case]}), 400, "invalid_redirect_uri")


BAD_METADATA: dict[str, Any] = {
    "client credentials": {"grant_types": ["client_credentials"]},
    "client credentials too": {"grant_types": ["authorization_code", "client_credentials"]},
    "implicit": {"grant_types": ["implicit"]},
    "token exchange": {"grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"]},
    "refresh alone": {"grant_types": ["refresh_token"]},
    "grants as a text": {"grant_types": "authorization_code"},
    "implicit's response": {"response_types": ["token"]},
    "hybrid": {"response_types": ["code", "code id_token"]},
    "a certificate": {"token_endpoint_auth_method": "tls_client_auth"},
    "a shared key": {"token_endpoint_auth_method": "client_secret_jwt"},
    "an issuer": {"token_endpoint_auth_method": "federated_jwt"},
    "a method that is a list": {"token_endpoint_auth_method": ["none"]},
    "no keys": KEYLESS,
    "both keys": KEYLESS | {"jwks": {"keys": []}, "jwks_uri": "https://app.example/jwks"},
    "keys of no kind": KEYLESS | {"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}},
    "keys as a list": KEYLESS | {"jwks": []},
    "plain http keys": KEYLESS | {"jwks_uri": "http://app.example/jwks"},
    "a name that changes direction": {"client_name": "Shop\u202egpj"},
    "a blank name": {"client_name": "  "},
    "a long name": {"client_name": "x" * 201},
    "a name that is a number": {"client_name": 7},
    "a name with a secret": {"client_name": mint(Prefix.PAT)},
    "a scope with a quote": {"scope": 'a"b'},
    "scopes as a list": {"scope": ["orders:read"]},
    "a long text": {"client_uri": "https://a.example/" + "x" * 2000},
    "many members": {f"x{number}": 1 for number in range(MOST_MEMBERS + 1)},
    "a long list": {"contacts": ["x"] * (MOST_MEMBERS + 1)},
    "a deep value": {"x": {"x": {"x": {"x": {"x": {"x": {"x": {"x": {}}}}}}}}},
}


@pytest.mark.contract("such clients never get `client_credentials` or a role")
@pytest.mark.spec("RFC 7591 §3.2.2")
@pytest.mark.parametrize("case", BAD_METADATA)
def test_other_bad_metadata_is_invalid_client_metadata(registry: Registry, case: str) -> None:
    before = registry.wire.core.count(Client)
    refused(registry.register(PUBLIC | BAD_METADATA[case]), 400, "invalid_client_metadata")
    assert registry.wire.core.count(Client) == before


BAD_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"client_name=x",
    "a list": b"[]",
    "a text": b'"x"',
    "not UTF-8": b'{"client_name": "\xff"}',
    "a repeated member": b'{"client_name": "a", "client_name": "b"}',
    "not a number": b'{"x": NaN}',
    "very deep": b'{"x": ' + b"[" * 7000 + b"]" * 7000 + b"}",
}


@pytest.mark.contract("Authlib's registration: any JSON value, any redirect URI, another content type")
@pytest.mark.parametrize("case", BAD_BODIES)
def test_a_body_that_is_not_an_object_is_refused(registry: Registry, case: str) -> None:
    answer = registry.register(data=BAD_BODIES[case], content_type="application/json")
    refused(answer, 400, "invalid_client_metadata")


@pytest.mark.contract("Authlib's registration: any JSON value, any redirect URI, another content type")
def test_a_large_body_and_another_type_are_refused(registry: Registry) -> None:
    large = b'{"x": "' + b"x" * LARGEST + b'"}'
    refused(registry.register(data=large, content_type="application/json"), 413, "invalid_request")
    refused(registry.register(data=PUBLIC, content_type="application/x-www-form-urlencoded"), 400, "invalid_request")


@pytest.mark.contract("`REGISTRATION` `off`, `token`, `open`")
def test_by_default_there_is_no_registration(wire: Wire) -> None:
    closed = Registry(wire)
    refused(closed.register(), 404, "invalid_request")
    refused(closed.configure("GET", {"client_id": "robot"}, token="x"), 404, "invalid_request")
    metadata: Any = wire.http.get("/.well-known/oauth-authorization-server").json
    assert not {"registration_endpoint", "client_id_metadata_document_supported"} & metadata.keys()


@pytest.mark.spec("RFC 8414 §2")
def test_the_metadata_names_the_endpoint(registry: Registry) -> None:
    metadata: Any = registry.wire.http.get("/.well-known/oauth-authorization-server").json
    assert metadata["registration_endpoint"] == f"{ISSUER}/oauth/register"


@pytest.mark.contract("`REGISTRATION` `off`, `token`, `open`")
@pytest.mark.spec("RFC 7591 §1.2")
def test_an_initial_access_token_is_one_of_the_management_api(guarded: Registry) -> None:
    core = guarded.wire.core
    registrar, reader = core.m2m("registrar", None, OWN), core.m2m("reader", None, OWN)
    app = guarded.register(token=registrar)
    assert app.status_code == 201
    event = core.trace("client.register")[-1]
    assert (event.actor_type, event.actor, event.target) == ("client", "registrar", app.json["client_id"])
    for token in ("", "x", core.m2m("robot", None, ORDERS), app.json["registration_access_token"], core.key()[1]):
        answer = guarded.register(token=token)
        refused(answer, 401, "invalid_token")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    missing = guarded.register(token=reader)
    refused(missing, 403, "insufficient_scope")
    assert 'scope="clients:write"' in missing.headers["WWW-Authenticate"]
    assert guarded.configure("GET", app.json).status_code == 200


def test_no_personal_access_token_registers_an_app(guarded: Registry) -> None:
    pat = guarded.wire.core.pat("bob", "manage", "clients:write")[1]
    refused(guarded.register(token=pat), 403, "insufficient_scope")


def test_no_app_that_registered_by_a_token_is_deleted_while_nobody_used_it(guarded: Registry) -> None:
    core = guarded.wire.core
    app = guarded.register(token=core.m2m("registrar", None, OWN)).json
    core.clock.advance(days=30)
    guarded.register(token=core.m2m("registrar", None, OWN))
    assert guarded.configure("GET", app).status_code == 200


def test_apps_that_nobody_agreed_to_are_deleted_after_a_day(own_wire: MakeWire) -> None:
    registry = Registry(own_wire(registration="open"))
    core, apps = registry.wire.core, [registry.register().json for _ in range(4)]
    rows = [row_of(registry, app["client_id"]) for app in apps]
    used: Any = rows[0]
    disabled: Any = rows[1]
    with core.store.transaction() as session:
        now = core.clock()
        session.add(Consent(id="c", user_id=core.row_id("alice"), client_id=used.id, created_at=now, updated_at=now))
    core.actions.clients.change(OPERATOR, disabled.id, ClientChanges(enabled=False))
    core.clock.advance(days=1)
    registry.register()
    assert [row_of(registry, app["client_id"]) is not None for app in apps] == [True] * 4
    core.clock.advance(seconds=1)
    registry.register()
    assert [row_of(registry, app["client_id"]) is not None for app in apps] == [True, True, False, False]
    [event] = core.trace("client.expire")
    assert event.details == {"count": 2} and event.actor_type == "server"


def test_a_browser_of_an_allowed_origin_registers(own_wire: MakeWire) -> None:
    registry = Registry(own_wire(registration="open", allowed_origins="https://app.example"))
    origin = {"Origin": "https://app.example"}
    asked = origin | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    opened = registry.wire.http.options("/oauth/register", headers=asked)
    assert opened.status_code == 204 and opened.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert registry.register(headers=origin).headers["Access-Control-Allow-Origin"] == "https://app.example"
    other = registry.register(headers={"Origin": "https://evil.example"})
    assert other.status_code == 201 and "Access-Control-Allow-Origin" not in other.headers
    answer = registry._open("GET", "/x", "x", {"headers": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.contract("`REGISTRATION` `off`, `token`, `open`")
def test_registrations_of_an_address_are_limited(own_wire: MakeWire) -> None:
    registry = Registry(own_wire(registration="open", rate_limits="on"))
    core, counter = registry.wire.core, REGISTRATIONS_OF_ADDRESS.at(ADDRESS)
    core.actions.abuse_limits.count(counter.times(REGISTRATIONS_OF_ADDRESS.most - 1))
    assert registry.register().status_code == 201
    before = core.count(Client)
    answer = registry.register()
    refused(answer, 429, "temporarily_unavailable")
    assert int(answer.headers["Retry-After"]) <= REGISTRATIONS_OF_ADDRESS.window_seconds
    assert registry.register(address="203.0.113.1").status_code == 201
    core.actions.abuse_limits.count(NEW_APPS.of().times(NEW_APPS.most))
    refused(registry.register(address="203.0.113.2"), 429, "temporarily_unavailable")
    assert core.count(Client) == before + 1
    core.clock.advance(seconds=timedelta(hours=1).total_seconds())
    assert registry.register().status_code == 201


@pytest.mark.parametrize("setting", ["off", "token", "open"])
def test_the_description_of_the_api_has_what_the_server_offers(own_wire: MakeWire, setting: str) -> None:
    document: Any = own_wire(registration=setting).http.get("/api/v1/openapi.json").json
    paths = {path: sorted(set(value) - {"parameters"}) for path, value in document["paths"].items()}
    described = {path: paths[path] for path in paths if path.startswith("/oauth/register")}
    offered = {"/oauth/register": ["post"], "/oauth/register/{client_id}": ["delete", "get", "put"]}
    assert described == ({} if setting == "off" else offered)
    schemas = document["components"]["schemas"]
    assert ("AppMetadata" in schemas) is (setting != "off")
    if setting == "open":
        answer = Registry(own_wire(registration=setting)).register(METADATA).json
        content = document["paths"]["/oauth/register"]["post"]["responses"]["201"]["content"]
        assert answer.keys() == content["application/json"]["example"].keys()


@pytest.mark.contract("registration by RFC 7591 for public and confidential code clients")
def test_a_user_authorizes_apps_that_registered_themselves(own_wire: MakeWire) -> None:
    registry = Registry(own_wire(registration="open"))
    person = Person(registry.wire)
    person.sign_in()
    public = registry.register().json
    assert "Shopping list" in person.open(public["client_id"]).text
    assert person.tokens(public["client_id"])["scope"] == "orders:read"
    confidential = registry.register(CONFIDENTIAL).json
    code = person.authorize(confidential["client_id"])
    pair = confidential["client_id"], confidential["client_secret"]
    assert redeem(registry.wire, code, client_id=pair[0]).status_code == 401
    tokens = redeem(registry.wire, code, pair).json
    assert registry.configure("DELETE", confidential).status_code == 204
    assert registry.wire.introspect(tokens["access_token"]) == {"active": False}


def test_a_user_is_asked_for_no_more_than_the_app_registered(own_wire: MakeWire) -> None:
    registry = Registry(own_wire(registration="open"))
    person = Person(registry.wire)
    person.sign_in()
    app = registry.register(PUBLIC | {"scope": "orders:write manage"}).json
    answer = person.open(app["client_id"], scope="orders:read")
    assert parameters_of(answer)["error"] == "invalid_scope"
    managing = registry.register().json
    answer = person.open(managing["client_id"], scope="manage", resource=OWN)
    assert parameters_of(answer)["error"] in ("invalid_scope", "invalid_target")
