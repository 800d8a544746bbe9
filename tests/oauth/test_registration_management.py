"""Apps read, change and delete their registration by its registration access token (RFC 7592)."""

from typing import Any

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.clients import ClientChanges
from app.crypto.opaque import Prefix, mint
from tests.oauth.registering import CONFIDENTIAL, PUBLIC, Registry, row_of
from tests.oauth.wire import refused


@pytest.mark.contract("Authlib's configuration: HEAD is a 500, errors are printed to stdout")
@pytest.mark.spec("RFC 7592 §3")
def test_an_app_reads_its_registration(registry: Registry) -> None:
    app = registry.register(CONFIDENTIAL).json
    answer = registry.configure("GET", app)
    secret, _ = app.pop("client_secret"), app.pop("client_secret_expires_at")
    assert answer.status_code == 200 and answer.json == app and secret not in answer.text
    head = registry.configure("HEAD", app)
    assert head.status_code == 200 and head.data == b""


@pytest.mark.contract("management of a registration by RFC 7592")
@pytest.mark.spec("RFC 7592 §2.2")
def test_an_app_changes_its_registration_and_its_token_is_replaced(registry: Registry) -> None:
    app = registry.register().json
    other = {"client_name": "Other list", "grant_types": ["authorization_code"]}
    wanted = PUBLIC | other | {"client_id": app["client_id"]}
    changed = registry.configure("PUT", app, wanted).json
    assert (changed["client_name"], changed["grant_types"]) == ("Other list", ["authorization_code"])
    assert changed["registration_access_token"] != app["registration_access_token"]
    refused(registry.configure("GET", app), 401, "invalid_token")
    assert registry.configure("GET", changed).json == changed
    [event] = [e for e in registry.wire.core.trace("client.update") if e.target == app["client_id"]]
    assert event.actor_type == "anonymous" and event.details["changed"] == ["name", "grant_types"]


@pytest.mark.spec("RFC 7592 §2.2")
def test_another_method_brings_a_secret_or_ends_it(registry: Registry) -> None:
    app = registry.register().json
    named = {"client_id": app["client_id"]}
    confidential = registry.configure("PUT", app, CONFIDENTIAL | named).json
    pair = (app["client_id"], confidential["client_secret"])
    assert registry.wire.post("introspect", {"token": "x"}, pair).status_code == 200
    kept = registry.configure("PUT", confidential, CONFIDENTIAL | named | {"client_secret": pair[1]}).json
    assert "client_secret" not in kept
    assert registry.configure("PUT", kept, PUBLIC | named).status_code == 200
    refused(registry.wire.post("introspect", {"token": "x"}, pair), 401, "invalid_client")


MUST_NOT = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")


@pytest.mark.contract("Authlib's configuration: HEAD is a 500, errors are printed to stdout")
@pytest.mark.spec("RFC 7592 §2.2")
def test_a_change_names_its_client_and_none_of_what_the_server_sets(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    app = registry.register(CONFIDENTIAL).json
    named = CONFIDENTIAL | {"client_id": app["client_id"]}
    wrong = [CONFIDENTIAL, CONFIDENTIAL | {"client_id": "robot"}, CONFIDENTIAL | {"client_id": 7}]
    wrong += [named | {name: "x"} for name in MUST_NOT]
    wrong += [named | {"client_secret": secret} for secret in ("x", 7, None, mint(Prefix.CLIENT_SECRET))]
    for metadata in wrong:
        refused(registry.configure("PUT", app, metadata), 400, "invalid_request")
    refused(registry.configure("PUT", app, named | {"redirect_uris": ["x"]}), 400, "invalid_redirect_uri")
    assert registry.configure("GET", app).status_code == 200 and capsys.readouterr().out == ""


@pytest.mark.contract("management of a registration by RFC 7592")
@pytest.mark.spec("RFC 7592 §2.3")
def test_an_app_deletes_its_registration(registry: Registry) -> None:
    app = registry.register(CONFIDENTIAL).json
    answer = registry.configure("DELETE", app)
    assert answer.status_code == 204 and answer.data == b"" and answer.headers["Cache-Control"] == "no-store"
    for method in ("GET", "PUT", "DELETE"):
        refused(registry.configure(method, app, PUBLIC), 401, "invalid_token")
    assert row_of(registry, app["client_id"]) is None
    assert registry.wire.core.trace("client.delete")[-1].target == app["client_id"]


@pytest.mark.contract("Authlib's registration: a wrong token is 400 without a challenge")
@pytest.mark.spec("RFC 7592 §2.1")
def test_no_other_token_reaches_a_registration(registry: Registry) -> None:
    app, other = registry.register().json, registry.register().json
    tokens = ("", "x", mint(Prefix.REGISTRATION), other["registration_access_token"], registry.wire.bearer)
    wrong = (*tokens, app["registration_access_token"][:-1])
    answers = [registry.configure("GET", app, token=token) for token in wrong]
    answers += [registry.configure("GET", {"client_id": n}, token=mint(Prefix.REGISTRATION)) for n in ("robot", "x")]
    for answer in answers:
        refused(answer, 401, "invalid_token")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ") and answer.text == answers[0].text


def test_a_disabled_app_cannot_undo_that(registry: Registry) -> None:
    app = registry.register().json
    row: Any = row_of(registry, app["client_id"])
    registry.wire.core.actions.clients.change(OPERATOR, row.id, ClientChanges(enabled=False))
    for method in ("GET", "PUT", "DELETE"):
        refused(registry.configure(method, app, PUBLIC | {"client_id": app["client_id"]}), 403, "unauthorized_client")
    assert row_of(registry, app["client_id"]) is not None


@pytest.mark.spec("RFC 7592 §1.3")
def test_an_app_undoes_no_change_of_an_operator(registry: Registry) -> None:
    app, core = registry.register().json, registry.wire.core
    row_id = core.actions.clients.page(1, client_id=app["client_id"])[0][0].id
    core.actions.clients.change(OPERATOR, row_id, ClientChanges(enabled=True))
    assert registry.configure("GET", app).status_code == 200
    core.actions.clients.change(OPERATOR, row_id, ClientChanges(scopes=("orders:read",)))
    refused(registry.configure("PUT", app, PUBLIC | {"client_id": app["client_id"]}), 401, "invalid_token")
    assert core.actions.authenticate_client.find(app["client_id"]).scopes == frozenset({"orders:read"})
