"""No log line holds a secret, at any level, from any library."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from app.operations import logs
from tests.api import Admin
from tests.conftest import StartServer
from tests.operations.application import JWT, SECRET


@pytest.fixture
def libraries() -> Iterator[None]:
    """Configure the standard library's loggers as a server does, for one test."""
    root = logging.getLogger()
    kept, level = list(root.handlers), root.level
    ours = {name: logging.getLogger(name).level for name in ("app", "latchkey")}
    logs.configure_libraries("debug")
    yield
    root.handlers[:], root.level = kept, level
    for name, before in ours.items():
        logging.getLogger(name).setLevel(before)


@pytest.mark.asvs("16.2.4")
@pytest.mark.usefixtures("libraries")
def test_libraries_write_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and isinstance(handler.formatter, logs.JsonFormatter):
            handler.setStream(sys.stderr)  # what capsys reads
    logging.getLogger("somebody").warning("it is %s", SECRET)
    logging.getLogger("authlib").debug("whole tokens: %s", JWT)
    logging.getLogger("sqlalchemy.engine").info("values")
    [line] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["level"], line["logger"]) == ("it is [redacted]", "warning", "somebody")


def test_an_exception_is_logged_by_type_and_place_alone() -> None:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise RuntimeError(f"because of {SECRET}") from error
    except RuntimeError as error:
        told = logs.frames(error)
    assert told[0] == "builtins.RuntimeError"
    assert "builtins.KeyError" in told
    assert SECRET not in "\n".join(told)
    assert any("test_logs.py" in line for line in told)


@pytest.mark.asvs("16.2.5")
@pytest.mark.contract("one JSON line a request, with its id, never a secret")
def test_at_debug_no_secret_of_any_kind_is_in_what_a_server_prints(fresh_server: StartServer) -> None:
    live = fresh_server(log_level="debug", forward_auth_query_key="api_key")
    admin = Admin(live)
    api = admin.resource(public=["logged:read"])
    user = admin.user([admin.role("user", ["logged:read"])])
    client = admin.client([admin.role("machine", ["logged:read"])], serves=[api])
    pat, key = admin.pat(user, ["logged:read"])["token"], admin.api_key(api)["key"]
    m2m = admin.m2m(client)
    exchanged = admin.exchange(pat, "personal_access_token").json()["access_token"]
    for token in (exchanged, pat, key, m2m):
        assert admin.active(token, client)
        assert admin.forward_auth(token, api).status_code == 200
        admin.http.get("/oauth/introspect", params={"token": token})
        admin.revoke(token)
    admin.http.get("/oauth/forward-auth", params={"resource": api["identifier"], "api_key": key})
    admin.post("/credentials/inspect", {"credential": pat})
    hidden = [pat, key, m2m, exchanged, client.client_secret, user.password, admin.token()]
    hidden += [live.bootstrap["client_secret"], live.bootstrap["admin_password"]]
    admin.http.close()
    live.stop()
    printed = live.log_text()
    assert len(live.log_records()) > 20
    assert not [number for number, secret in enumerate(hidden) if secret in printed]
