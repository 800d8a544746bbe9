"""Why the token endpoint refused: the reason and the credential are in the log line, never in the answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.exc import OperationalError

from app.actions.audit.actor import Actor
from app.actions.delegation.app_tokens import GRACE, AppTokens
from app.actions.delegation.codes import CodeTerms
from app.crypto.opaque import Prefix, digest, mint
from app.models import AppGrant, AuthorizationCode, DeviceCode, RefreshToken
from tests.core import ORDERS, STOCK, Core
from tests.oauth.authorizing import CALLBACK, CHALLENGE, DEVICE_GRANT, VERIFIER, register
from tests.oauth.refusing import (
    KEYS,
    PATS,
    UNSIGNED,
    end,
    person,
    refuse_alike,
    revoked_pat,
    serial,
    statements,
    token_of,
)
from tests.oauth.wire import GRANT, Wire

pytestmark = pytest.mark.both_databases
Made = tuple[str, str | None]  # what is presented, and the id of what the line names
PAST = timedelta(seconds=1)


def ask_for(wire: Wire, form: dict[str, str], name: str) -> Callable[[str], Any]:
    return lambda secret: wire.post("token", form | {name: secret})


@pytest.fixture(scope="module")
def site(wire: Wire) -> Wire:
    """Two public apps, `phone` and `other`."""
    for name in ("phone", "other"):
        register(wire, name)
    return wire


def connect(core: Core, app: str = "phone", username: str = "") -> AppTokens:
    return core.delegate(username or person(core), app, "orders:read", ORDERS)


def refresh_of(tokens: AppTokens) -> tuple[str, str]:
    assert tokens.refresh_token is not None
    return tokens.refresh_token, tokens.grant_id


def ended(core: Core) -> Made:
    token, grant = refresh_of(connect(core))
    end(core, AppGrant, grant, revoked_at=core.clock(), revoked_reason="by a test")
    return token, grant


def expired(core: Core) -> Made:
    token, grant = refresh_of(connect(core))
    end(core, RefreshToken, digest(token), expires_at=core.clock() - PAST)
    return token, grant


def disabled(core: Core) -> Made:
    username = person(core)
    made = refresh_of(connect(core, username=username))
    core.enable(username, False)
    return made


def superseded(core: Core) -> Made:
    token, grant = refresh_of(connect(core))
    end(core, RefreshToken, digest(token), replaced_at=core.clock() - GRACE)
    return token, grant


REFRESHED: dict[str, Callable[[Core], Made]] = {
    "malformed": lambda _: ("nonsense", None),
    "unknown": lambda _: (mint(Prefix.REFRESH_TOKEN), None),
    "revoked": ended,
    "expired": expired,
    "disabled": disabled,
    "superseded": superseded,
    "wrong_client": lambda core: refresh_of(connect(core, "other")),
    "wrong_kind": lambda core: (core.key()[1], None),
}


@pytest.mark.contract("every refusal is one log line with its reason, which callers do not learn")
@pytest.mark.parametrize("reason", REFRESHED)
def test_a_refused_refresh_token_has_its_reason(site: Wire, capsys: pytest.CaptureFixture[str], reason: str) -> None:
    """RFC 6749 §5.2: invalid_grant for all of them."""
    token, grant = REFRESHED[reason](site.core)
    ask = ask_for(site, {"grant_type": "refresh_token", "client_id": "phone"}, "refresh_token")
    said = refuse_alike(ask, (mint(Prefix.REFRESH_TOKEN), token), capsys)
    assert (said["error"], said["reason"], said["client_id"]) == ("invalid_grant", reason, "phone"), said
    assert said.get("credential_id") == grant


def test_a_live_refresh_token_is_named_where_another_part_of_the_request_is_refused(
    site: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    token, grant = refresh_of(connect(site.core))
    form = {"grant_type": "refresh_token", "client_id": "phone", "scope": "orders:write"}
    said = refuse_alike(ask_for(site, form, "refresh_token"), (token, token), capsys)
    assert (said["reason"], said["credential_id"]) == ("insufficient_scope", grant)


def code_of(core: Core, app: str = "phone", **values: Any) -> Made:
    user = Actor("user", core.row_id(person(core)), "somebody")
    client = core.actions.authenticate_client.find(app)
    question = core.actions.consents.question(user.id, client, "orders:read", [ORDERS])
    granted = core.actions.consents.agree(user, question, {"orders:read"})
    code = core.actions.codes.issue(user, client, CodeTerms(granted, CALLBACK, CHALLENGE))
    end(core, AuthorizationCode, digest(code), **values)
    return code, None


def used_code(core: Core) -> Made:
    return code_of(core, used_at=core.clock())


CODES: dict[str, Callable[[Core], Made]] = {
    "malformed": lambda _: ("nonsense", None),
    "unknown": lambda _: (mint(Prefix.AUTHORIZATION_CODE), None),
    "used": used_code,
    "expired": lambda core: code_of(core, expires_at=core.clock() - PAST),
    "wrong_client": lambda core: code_of(core, "other"),
    "wrong_kind": lambda core: (core.key()[1], None),
}


@pytest.mark.contract("every refusal is one log line with its reason, which callers do not learn")
@pytest.mark.parametrize("reason", CODES)
def test_a_refused_code_has_its_reason(site: Wire, capsys: pytest.CaptureFixture[str], reason: str) -> None:
    """RFC 6749 §5.2: invalid_grant for all of them."""
    form = {"grant_type": "authorization_code", "client_id": "phone", "redirect_uri": CALLBACK}
    ask = ask_for(site, form | {"code_verifier": VERIFIER}, "code")
    said = refuse_alike(ask, (mint(Prefix.AUTHORIZATION_CODE), CODES[reason](site.core)[0]), capsys)
    assert (said["error"], said["reason"], said["client_id"]) == ("invalid_grant", reason, "phone"), said


def device_code_of(core: Core, app: str = "phone", **values: Any) -> str:
    client = core.actions.authenticate_client.find(app)
    code = core.actions.devices.begin(Actor("client", app), client, "orders:read", [ORDERS]).device_code
    end(core, DeviceCode, digest(code), **values)
    return code


DEVICE_CODES: dict[str, Callable[[Core], str]] = {
    "malformed": lambda _: "nonsense",
    "unknown": lambda _: mint(Prefix.DEVICE_CODE),
    "used": lambda core: device_code_of(core, used_at=core.clock()),
    "wrong_client": lambda core: device_code_of(core, "other"),
    "wrong_kind": lambda core: core.key()[1],
}
ANSWERED: dict[str, Callable[[Core], str]] = {
    "expired": lambda core: device_code_of(core, expires_at=core.clock() - PAST),
    "denied": lambda core: device_code_of(core, user_id=core.row_id("alice")),
}


@pytest.mark.contract("every refusal is one log line with its reason, which callers do not learn")
@pytest.mark.parametrize("reason", DEVICE_CODES)
def test_a_refused_device_code_has_its_reason(site: Wire, capsys: pytest.CaptureFixture[str], reason: str) -> None:
    ask = ask_for(site, {"grant_type": DEVICE_GRANT, "client_id": "phone"}, "device_code")
    said = refuse_alike(ask, (mint(Prefix.DEVICE_CODE), DEVICE_CODES[reason](site.core)), capsys)
    assert (said["error"], said["reason"], said["client_id"]) == ("invalid_grant", reason, "phone"), said


@pytest.mark.contract("every refusal is one log line with its reason, which callers do not learn")
@pytest.mark.parametrize("reason", ANSWERED)
def test_each_error_of_rfc_8628_is_in_the_log_too(site: Wire, capsys: pytest.CaptureFixture[str], reason: str) -> None:
    """RFC 8628 §3.5: expired_token and access_denied."""
    ask = ask_for(site, {"grant_type": DEVICE_GRANT, "client_id": "phone"}, "device_code")
    code = ANSWERED[reason](site.core)
    said = refuse_alike(ask, (code, code), capsys)
    assert (said["error"], said["reason"]) == ({"expired": "expired_token", "denied": "access_denied"}[reason], reason)


SUBJECTS: dict[str, tuple[Prefix, Callable[[Core], str]]] = {
    **{f"pat {reason}": (Prefix.PAT, made) for reason, made in PATS.items()},
    **{f"key {reason}": (Prefix.API_KEY, made) for reason, made in KEYS.items()},
    "token malformed": (Prefix.PAT, lambda _: "nonsense"),
    "JWT wrong_kind": (Prefix.PAT, lambda core: core.m2m("robot", "orders:read", ORDERS)),
    "JWT bad_signature": (Prefix.PAT, lambda _: UNSIGNED),
    "key wrong_network": (Prefix.API_KEY, lambda core: core.key(allowed_ips=("192.0.2.0/24",))[1]),
}


@pytest.mark.contract("every refusal is one log line with its reason, which callers do not learn")
@pytest.mark.parametrize("what", SUBJECTS)
def test_a_refused_subject_token_has_its_reason(site: Wire, capsys: pytest.CaptureFixture[str], what: str) -> None:
    """RFC 8693 §2.2.2: invalid_request for all of them."""
    prefix, made = SUBJECTS[what]
    reason = what.split()[1]
    said = refuse_alike(site.exchange, (mint(prefix), made(site.core)), capsys)
    assert (said["error"], said["reason"]) == ("invalid_request", reason), said
    assert ("credential_id" in said) == (reason not in ("unknown", "malformed", "bad_signature"))


@pytest.mark.contract("every refusal is one log line with its reason, which callers do not learn")
@pytest.mark.parametrize(
    ("reason", "form"),
    [
        ("insufficient_scope", {"scope": "orders:write"}),
        ("wrong_resource", {"resource": STOCK}),
        ("unknown_resource", {"resource": "https://typo.example"}),
    ],
)
def test_a_live_subject_token_is_named_where_the_rest_is_refused(
    site: Wire, capsys: pytest.CaptureFixture[str], reason: str, form: dict[str, str]
) -> None:
    _, token_id, token = token_of(site.core)
    said = refuse_alike(lambda one: site.exchange(one, **form), (token, token), capsys)
    assert (said["reason"], said["credential_id"]) == (reason, token_id), said


def client_secret(core: Core, enabled: bool = True, **values: Any) -> tuple[str, str, str]:
    """Make a client with a secret; return both, and the id of the secret."""
    name = f"refused-{next(serial)}"
    core.client(name)
    secret = core.client_secret(name, **values)
    core.enable(name, enabled)
    found = core.actions.inspect(secret)
    return name, secret, str(found.id)


def key_of(core: Core) -> tuple[str, str]:
    """Return a live API key and its id."""
    view, key = core.key()
    return key, view.id


CLIENTS: dict[str, tuple[str, Callable[[Core], tuple[str, str, str | None]]]] = {
    "a wrong secret": ("bad_client", lambda _: ("robot", mint(Prefix.CLIENT_SECRET), None)),
    "a secret of another form": ("bad_client", lambda _: ("robot", "guessed-secret", None)),
    "an unknown client": ("bad_client", lambda _: ("nobody", mint(Prefix.CLIENT_SECRET), None)),
    "a deleted secret": ("revoked", lambda core: client_secret(core, revoked_at=core.clock())),
    "an expired secret": ("expired", lambda core: client_secret(core, expires_at=core.clock() - PAST)),
    "a disabled client": ("disabled", lambda core: client_secret(core, enabled=False)),
    "an API key as the secret": ("wrong_kind", lambda core: ("robot", *key_of(core))),
    "the secret of another client": ("bad_client", lambda core: ("robot", *client_secret(core)[1:])),
}


@pytest.mark.contract("every refusal is one log line with its reason, which callers do not learn")
@pytest.mark.parametrize("way", ["basic", "post"])
@pytest.mark.parametrize("what", CLIENTS)
def test_a_client_that_is_not_authenticated_has_its_reason(
    site: Wire, capsys: pytest.CaptureFixture[str], what: str, way: str
) -> None:
    """RFC 6749 §5.2: invalid_client for all of them."""
    reason, made = CLIENTS[what]
    client, secret, secret_id = made(site.core)

    def ask(one: str) -> Any:
        return site.token((client, one)) if way == "basic" else site.token(client_id=client, client_secret=one)

    said = refuse_alike(ask, (mint(Prefix.CLIENT_SECRET), secret), capsys)
    assert (said["error"], said["reason"], said.get("credential_id")) == ("invalid_client", reason, secret_id), said
    assert said.get("client_id") == (None if client == "nobody" else client)


ASSERTED: dict[str, Callable[[Wire], Any]] = {
    "of an unknown client": lambda wire: wire.assertion(iss="nobody", sub="nobody"),
    "that has expired": lambda wire: wire.assertion(exp=int(wire.core.clock().timestamp()) - 60),
    "for another server": lambda wire: wire.assertion(aud="https://elsewhere.example"),
    "that is unreadable": lambda wire: wire.assertion() | {"client_assertion": "nonsense"},
    "by another key": lambda wire: by_another_key(wire),
}


def by_another_key(wire: Wire) -> Any:
    own, wire.key = wire.key, ec.generate_private_key(ec.SECP256R1())
    try:
        return wire.assertion()
    finally:
        wire.key = own


@pytest.mark.contract("every refusal is one log line with its reason, which callers do not learn")
@pytest.mark.parametrize("what", ASSERTED)
def test_a_refused_assertion_is_a_bad_client(site: Wire, capsys: pytest.CaptureFixture[str], what: str) -> None:
    forms = {"unknown": site.assertion(iss="stranger", sub="stranger"), what: ASSERTED[what](site)}
    said = refuse_alike(lambda one: site.post("token", GRANT | forms[one]), ("unknown", what), capsys)
    assert (said["error"], said["reason"]) == ("invalid_client", "bad_client"), said
    assert said.get("client_id") == ("keyed" if "unknown" not in what and "unreadable" not in what else None)
    assert forms[what]["client_assertion"] not in str(said)


def test_a_request_without_a_client_is_missing_one(site: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    said = refuse_alike(lambda _: site.token(), ("-nothing-", "-nothing-"), capsys)
    assert (said["error"], said["reason"]) == ("invalid_client", "missing")


def test_the_callers_own_token_has_its_reason_at_introspection(site: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """RFC 7662 §2.3."""
    core = site.core
    short = core.m2m("robot", "orders:read", ORDERS)
    for reason, token in (("unknown", mint(Prefix.PAT)), ("revoked", revoked_pat(core)), ("wrong_resource", short)):
        said = refuse_alike(lambda one: site.post("introspect", {"token": "x"}, one), (token, token), capsys)
        assert (said["error"], said["reason"]) == ("invalid_token", reason), said
    assert said["client_id"] == "robot"


def test_a_refusal_at_the_token_endpoint_is_counted_there(site: Wire) -> None:
    client, secret, _ = client_secret(site.core, revoked_at=site.core.clock())
    site.token((client, secret))
    site.core.actions.usage.flush()
    since = site.core.clock() - timedelta(hours=1)
    [row] = site.core.actions.read_usage.of(site.core.row_id(client), since=since, group_by="outcome")
    assert (row.group, row.refusals, row.last_server) == ("revoked", 1, "token-endpoint")


MOST = {Prefix.PAT: 1, Prefix.API_KEY: 1, Prefix.REFRESH_TOKEN: 1, Prefix.CLIENT_SECRET: 1, Prefix.DEVICE_CODE: 0}
ENDPOINTS: dict[str, Callable[[Wire, str], Any]] = {
    "introspection": lambda wire, token: wire.post("introspect", {"token": token}, wire.shop),
    "the caller of introspection": lambda wire, token: wire.post("introspect", {"token": "x"}, token),
    "forward-auth": lambda wire, token: wire.ask(X_API_Key=token),
    "token exchange": lambda wire, token: wire.exchange(token),
    "management": lambda wire, token: wire.http.get("/api/v1/roles", headers={"Authorization": f"Bearer {token}"}),
}


@pytest.mark.contract("an unknown credential costs one look-up")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("prefix", MOST)
def test_an_unknown_credential_costs_no_further_look_up(site: Wire, endpoint: str, prefix: Prefix) -> None:
    ask = ENDPOINTS[endpoint]
    ask(site, mint(prefix))
    with statements() as seen:
        ask(site, mint(prefix))
    assert len(seen) == MOST[prefix], seen


@pytest.mark.contract("an unknown credential costs one look-up")
def test_an_unknown_refresh_token_and_code_cost_one_look_up_beside_that_of_the_client(site: Wire) -> None:
    forms = {
        2: {"grant_type": "refresh_token", "refresh_token": mint(Prefix.REFRESH_TOKEN)},
        3: {"grant_type": "authorization_code", "code": mint(Prefix.AUTHORIZATION_CODE), "code_verifier": VERIFIER},
    }
    for most, form in forms.items():
        with statements() as seen:
            assert site.post("token", form | {"client_id": "phone"}).status_code == 400
        assert len(seen) <= most, seen


def test_a_database_that_fails_is_not_logged_as_a_limit(
    site: Wire, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("SELECT", None, Exception("the disk is full"))

    monkeypatch.setattr(type(site.core.actions.issue_machine_token), "decide", fail)
    answer = site.post("token", GRANT, site.robot)
    said = json.loads(capsys.readouterr().err.splitlines()[-1])  # the lines before describe the error
    assert answer.status_code == 503 and (said["error"], said["reason"]) == ("temporarily_unavailable", "unavailable")
