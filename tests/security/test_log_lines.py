"""Log lines and events of authentications and refusals, which no caller can forge: ASVS 5.0.0 V16."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.actions.trust.fetch_jwks import FetchJwks
from app.operations import logs
from tests.management.face import PASSWORD
from tests.oauth.wire import Wire, start_wire, stop_wire
from tests.web.visitor import Visitor

FORGED = '"}\n{"event": "forged", "level": "info"}\r\x1b[2J\x00\u2028'


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    made = start_wire(tmp_path_factory.mktemp("lines"), fast_lane=True)
    yield made
    stop_wire(made)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.split("\n") if line]


@pytest.mark.asvs("16.3.1")
@pytest.mark.contract("each authentication and refusal is logged, and callers cannot forge log lines")
def test_each_authentication_can_be_found_again(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    token = wire.token(wire.robot).json["access_token"]
    wire.introspect(token, wire.shop)
    wire.token(**wire.assertion())
    wire.ask(Authorization=f"Bearer {token}")
    told = [(line["route"], line["status"], line.get("client_id")) for line in lines(capsys)]
    assert told == [
        ("/oauth/token", 200, "robot"),
        ("/oauth/introspect", 200, "shop"),
        ("/oauth/token", 200, "keyed"),
        ("/oauth/forward-auth", 200, None),
    ]
    wire.token((wire.robot[0], "wrong"))
    assert lines(capsys)[-1]["status"] == 401
    failed = wire.core.trace("authentication.fail")[-1]
    assert (failed.target_type, failed.target, failed.address) == ("client", "robot", "127.0.0.1")


def test_a_sign_in_leaves_who_and_by_what(wire: Wire) -> None:
    from app.actions.audit.actor import OPERATOR
    from app.actions.directory.users import NewUser

    user = wire.core.actions.users.create(OPERATOR, NewUser("watched", password=PASSWORD))
    who = Visitor(wire.http.application.test_client())
    assert who.sign_in("watched", "wrong").status_code == 401
    assert who.sign_in("watched", PASSWORD).status_code == 303
    failed, begun = wire.core.trace("authentication.fail")[-1], wire.core.trace("user_session.begin")[-1]
    assert (failed.target, failed.details["by"]) == (user.id, "password")
    assert (begun.actor, begun.actor_name, begun.address) == (user.id, "watched", "127.0.0.1")


@pytest.mark.asvs("16.3.2", "16.3.3")
@pytest.mark.contract("each authentication and refusal is logged, and callers cannot forge log lines")
def test_each_refusal_can_be_found_again(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    core = wire.core
    machine = core.m2m("auditor", "introspect", core.actions.settings.management_identifier)
    bearer = {"Authorization": f"Bearer {machine}"}
    answers = [
        wire.http.get("/api/v1/users"),
        wire.http.get("/api/v1/users", headers=bearer),
        wire.http.post("/api/v1/credentials/inspect", headers=bearer, json={"nonsense": 1}),
        wire.http.post("/oauth/token", data="\xff"),
        wire.http.get("/console"),
    ]
    told = lines(capsys)
    assert [line["status"] for line in told] == [answer.status_code for answer in answers] == [401, 403, 403, 400, 303]
    assert all(line["remote_address"] == "127.0.0.1" and line["time"].endswith("Z") for line in told)
    assert [line["request_id"] for line in told] == [answer.headers["X-Request-Id"] for answer in answers]
    assert told[1]["credential_id"] == core.verified(machine).credential_id


@pytest.mark.asvs("16.4.1")
@pytest.mark.contract("each authentication and refusal is logged, and callers cannot forge log lines")
def test_no_caller_writes_a_line_of_their_own(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"REMOTE_ADDR": "127.0.0.1"}
    for path in (f"/{FORGED}", f"/api/v1/users/{FORGED}"):
        wire.http.open(base_url=None, path=path, environ_base=environ, headers={"User-Agent": "a"})
    wire.http.open("/healthz", method="GET", headers={"X-Request-Id": FORGED.replace("\n", "").replace("\r", "")})
    wire.token((FORGED, FORGED))
    printed = capsys.readouterr().err
    told = [json.loads(line) for line in printed.splitlines()]  # every line is JSON, and one of ours
    assert len(told) == 4 and {line["event"] for line in told} == {"request"}
    assert not {"\x1b", "\x00", "\r"} & set(printed)
    assert "forged" not in wire.core.trace("authentication.fail")[-1].details.values()
    assert wire.core.trace("authentication.fail")[-1].target.isprintable()


@pytest.mark.asvs("16.3.4")
def test_keys_that_cannot_be_fetched_are_a_line(caplog: pytest.LogCaptureFixture) -> None:
    fetch = FetchJwks(allow_private=False)
    assert fetch("https://localhost/keys/lk_sec_hush?token=hush", None) is None
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == "keys of a client cannot be fetched (ValueError): localhost"
    assert fetch("https://[/", None) is None
    assert fetch("https://\ud800\x1b/", None) is None
    assert all(record.getMessage().isascii() and record.getMessage().isprintable() for record in caplog.records)
    assert logs.redact(said) == said
