"""Why the management API refused a caller: the reason is in the log line, never in the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.tokens.refusals import WORDS
from app.credentials.reasons import Reason
from app.crypto.opaque import Prefix, mint
from app.models import AppGrant
from tests.core import ORDERS, Core
from tests.management.face import OWN, PASSWORD, Face
from tests.oauth.refusing import (
    KEYS,
    MADE,
    PATS,
    UNSIGNED,
    end,
    face_of,
    line,
    refuse_alike,
    serial,
    token_of,
)
from tests.web.visitor import Visitor

pytestmark = pytest.mark.both_databases
SCOPE = "roles:read"


def machine(core: Core) -> tuple[str, str]:
    """Make a client that may read roles; return its client_id and a token."""
    name = f"refused-{next(serial)}"
    core.role(name, "machine", SCOPE)
    core.client(name, name)
    return name, core.m2m(name, SCOPE, OWN)


def revoked_jwt(core: Core) -> str:
    _, token = machine(core)
    core.actions.report_leak(OPERATOR, [token])
    return token


def expired_jwt(core: Core) -> str:
    core.clock.advance(days=-1)
    try:
        return machine(core)[1]
    finally:
        core.clock.advance(days=1)


def of_disabled_client(core: Core) -> str:
    name, token = machine(core)
    core.enable(name, False)
    return token


def app_token(core: Core) -> tuple[str, str]:
    """Return the token of an app that may read roles for a user, and its grant."""
    name = f"refused-{next(serial)}"
    core.app(name, scopes=[SCOPE])
    core.role(name, "user", SCOPE)
    core.user(name, name)
    tokens = core.delegate(name, name, SCOPE, OWN)
    return tokens.access.token, tokens.grant_id


def of_ended_grant(core: Core) -> str:
    token, grant = app_token(core)
    end(core, AppGrant, grant, revoked_at=core.clock())
    return token


JWTS: dict[str, Callable[[Core], str]] = {
    "bad_signature": lambda _: UNSIGNED,
    "revoked": revoked_jwt,
    "expired": expired_jwt,
    "disabled": of_disabled_client,
    "wrong_resource": lambda core: machine_for_orders(core),
}
TOKENS: dict[str, Callable[[Core], str]] = {
    "token malformed": lambda _: "nonsense",
    **{f"PAT {reason}": made for reason, made in PATS.items()},
    **{f"key {reason}": made for reason, made in KEYS.items()},
    **{f"JWT {reason}": made for reason, made in JWTS.items()},
    "delegated revoked": of_ended_grant,
    "secret wrong_kind": MADE["wrong_kind"],
}
FOR_ANOTHER: dict[str, Callable[[Core], str]] = {
    "PAT": lambda core: token_of(core)[2],
    "key": lambda core: core.key()[1],
    "JWT": JWTS["wrong_resource"],
}
NAMELESS = ("unknown", "malformed", "bad_signature")


def machine_for_orders(core: Core) -> str:
    name = f"refused-{next(serial)}"
    core.role(name, "machine", "orders:read")
    core.client(name, name)
    return core.m2m(name, "orders:read", ORDERS)


def read_roles(face: Face) -> Callable[[str], Any]:
    return lambda token: face.call("GET", "/roles", token)


@pytest.mark.contract("every refusal is one log line with its reason, which callers do not learn")
@pytest.mark.parametrize("what", [what for what in TOKENS if "wrong_resource" not in what])
def test_a_token_that_is_not_active_has_its_reason(face: Face, capsys: pytest.CaptureFixture[str], what: str) -> None:
    """RFC 6750 §3.1: invalid_token for all of them."""
    reason = what.split()[1]
    said = refuse_alike(read_roles(face), (mint(Prefix.PAT), TOKENS[what](face.core)), capsys)
    assert (said["error"], said["reason"], said["resource"]) == ("invalid_token", reason, OWN), said
    assert ("credential_id" in said) == (reason not in NAMELESS)
    assert ("client_id" in said) == (
        what in ("JWT revoked", "JWT expired", "JWT disabled") or what.startswith(("del", "sec"))
    )


@pytest.mark.contract("every refusal is one log line with its reason, which callers do not learn")
@pytest.mark.parametrize("kind", FOR_ANOTHER)
def test_a_token_for_another_audience_has_its_reason(face: Face, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    token = FOR_ANOTHER[kind](face.core)
    said = refuse_alike(read_roles(face), (token, token), capsys)
    assert (said["error"], said["reason"]) == ("invalid_token", "wrong_resource"), said
    assert "credential_id" in said and ("client_id" in said) == (kind == "JWT")


LACKING: dict[str, tuple[str, str, Callable[[Core], str]]] = {
    "PAT insufficient_scope": ("GET", "/users", lambda core: token_of(core, SCOPE)[2]),
    "JWT insufficient_scope": ("GET", "/users", lambda core: machine(core)[1]),
    "delegated insufficient_scope": ("GET", "/users", lambda core: app_token(core)[0]),
    "delegated wrong_kind": ("GET", "/credentials", lambda core: app_token(core)[0]),
    "PAT wrong_kind": ("GET", "/me/apps", lambda core: token_of(core, SCOPE)[2]),
}


@pytest.mark.contract("every refusal is one log line with its reason, which callers do not learn")
@pytest.mark.parametrize("what", LACKING)
def test_a_token_that_may_not_do_this_has_its_reason(face: Face, capsys: pytest.CaptureFixture[str], what: str) -> None:
    """RFC 6750 §3.1: insufficient_scope for all of them."""
    method, path, made = LACKING[what]
    token = made(face.core)
    said = refuse_alike(lambda one: face.call(method, path, one), (token, token), capsys)
    assert (said["error"], said["reason"]) == ("insufficient_scope", what.split()[1]), said
    assert said["credential_id"] and ("client_id" in said) == (not what.startswith("PAT"))


@pytest.mark.contract("every refusal is one log line with its reason, which callers do not learn")
def test_a_wrong_password_is_a_bad_login(face: Face, capsys: pytest.CaptureFixture[str]) -> None:
    username = face.person(SCOPE)
    said = refuse_alike(lambda password: face.me(username, password), ("a guess at it", "another guess"), capsys)
    assert (said["error"], said["reason"]) == ("unauthorized", "bad_login"), said
    nobody = face.me("nobody-at-all", "another guess")
    assert line(capsys)["reason"] == "bad_login"
    assert face_of(nobody) == face_of(face.me(username, "another guess"))


@pytest.mark.contract("every refusal is one log line with its reason, which callers do not learn")
def test_nothing_and_a_password_where_none_is_accepted_have_their_reasons(
    face: Face, capsys: pytest.CaptureFixture[str]
) -> None:
    assert face.call("GET", "/roles").status_code == 401
    said = line(capsys)
    assert (said["error"], said["reason"]) == ("unauthorized", "missing")
    assert face.http.get("/api/v1/roles", auth=("ann", PASSWORD)).status_code == 401
    said = line(capsys)
    assert (said["error"], said["reason"]) == ("unauthorized", "wrong_kind")


def test_a_refusal_at_the_management_api_is_counted_there(face: Face) -> None:
    _, token_id, token = token_of(face.core)
    face.call("GET", "/roles", token)
    face.core.actions.usage.flush()
    since = face.core.clock() - timedelta(hours=1)
    [row] = face.core.actions.read_usage.of(token_id, since=since, group_by="outcome")
    assert (row.group, row.refusals, row.last_server) == ("wrong_resource", 1, "management-api")


@pytest.fixture(scope="module")
def operator(face: Face) -> Visitor:
    """An operator who is signed in to the console."""
    visitor = Visitor(face.app.test_client())
    visitor.sign_in(face.person("manage"), PASSWORD)
    visitor.get("/console/search")
    return visitor


@pytest.mark.contract("`latchkey explain` says why a credential is refused, and what would mend it")
@pytest.mark.parametrize("what", TOKENS)
def test_inspection_and_the_search_say_what_the_log_says(
    face: Face, admin: str, operator: Visitor, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    token = TOKENS[what](face.core)
    capsys.readouterr()
    face.call("GET", "/roles", token)
    reason = Reason(line(capsys)["reason"])
    asked = {"credential": token, "resource": OWN, "scope": SCOPE}
    told = face.call("POST", "/credentials/inspect", admin, json=asked).json["refusal"]
    assert told == {"reason": reason.value, "text": WORDS[reason]}
    page = unescape(re.sub("<[^>]*>", "", operator.post("/console/search", credential=token).text))
    if reason is not Reason.WRONG_RESOURCE:  # the search names no resource
        assert WORDS[reason] in page
    assert token not in json.dumps(told) + page
