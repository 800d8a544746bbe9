"""Why a credential was refused: the reason is in the request's log line and in the usage, never in the answer."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from app.actions.tokens.refusals import Presented
from app.crypto.opaque import Prefix, mint
from tests.core import ORDERS, STOCK
from tests.oauth.refusing import MADE, UNKNOWN, face_of, line
from tests.oauth.wire import Wire

pytestmark = pytest.mark.both_databases


def live(wire: Wire) -> str:
    return wire.core.key()[1]


@pytest.mark.contract("every refusal is one log line with its reason, which callers do not learn")
@pytest.mark.parametrize("reason", MADE)
def test_introspection_logs_the_reason_and_answers_alike(
    wire: Wire, capsys: pytest.CaptureFixture[str], reason: str
) -> None:
    token, unknown = MADE[reason](wire.core), mint(Prefix.PAT)
    answers = [wire.post("introspect", {"token": unknown}, wire.shop)]
    capsys.readouterr()
    answers.append(wire.post("introspect", {"token": token}, wire.shop))
    said = line(capsys)
    assert (said["error"], said["reason"], said["client_id"]) == ("inactive", reason, "shop"), said
    assert ("credential_id" in said) == (reason not in UNKNOWN)
    assert face_of(answers[0]) == face_of(answers[1]) and token not in json.dumps(said)
    assert said["request_id"] == answers[1].headers["X-Request-Id"]


@pytest.mark.contract("every refusal is one log line with its reason, which callers do not learn")
@pytest.mark.parametrize("reason", MADE)
def test_forward_auth_logs_the_reason_and_answers_alike(
    wire: Wire, capsys: pytest.CaptureFixture[str], reason: str
) -> None:
    token = MADE[reason](wire.core)
    answers = [wire.ask(X_API_Key=mint(Prefix.PAT))]
    capsys.readouterr()
    answers.append(wire.ask(X_API_Key=token))
    said = line(capsys)
    assert (said["error"], said["reason"], said["resource"]) == ("invalid_token", reason, ORDERS), said
    assert face_of(answers[0]) == face_of(answers[1]) and token not in json.dumps(said)


@pytest.mark.contract("a mistyped resource of a gateway differs from a dead token in the log alone")
def test_a_mistyped_resource_differs_from_a_token_for_another_one(
    wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    token, seen = live(wire), []
    for resource in ("https://typo.example", STOCK):
        answer = wire.ask({"resource": resource}, X_API_Key=token)
        seen.append((line(capsys)["reason"], face_of(answer)))
    assert [reason for reason, _ in seen] == ["unknown_resource", "wrong_resource"] and seen[0][1] == seen[1][1]


def test_a_missing_scope_and_a_missing_credential_have_their_reasons(
    wire: Wire, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wire.ask({"scope": "orders:write"}, X_API_Key=live(wire)).status_code == 403
    assert line(capsys)["reason"] == "insufficient_scope"
    assert wire.ask().status_code == 401
    assert line(capsys)["reason"] == "missing"


def test_a_refusal_is_counted_at_its_credential(wire: Wire) -> None:
    view, token = wire.core.key()
    wire.ask({"resource": "https://typo.example"}, X_API_Key=token)
    wire.ask(X_API_Key=token)
    wire.core.actions.usage.flush()
    since = wire.core.clock() - timedelta(hours=1)
    counted = wire.core.actions.read_usage.of(view.id, since=since, group_by="outcome")
    assert {row.group: row.uses + row.refusals for row in counted} == {"ok": 1, "unknown_resource": 1}


@pytest.mark.parametrize("reason", MADE)
def test_an_explanation_agrees_with_the_log(wire: Wire, reason: str) -> None:
    explain = wire.core.actions.explain_refusal
    found = explain(Presented(MADE[reason](wire.core), ORDERS))
    assert found is not None and found.reason == reason and found.text.endswith(".")
    assert explain(Presented(live(wire), ORDERS)) is None
