"""A test for each trap of the other libraries that no other file holds: hashing, tables, keys, logs, files."""

import logging
import os
import threading
from pathlib import Path

import jwt
import pytest
from sqlalchemy import Constraint, PrimaryKeyConstraint

from app.actions.sign_in import passwords
from app.actions.sign_in.passwords import Passwords
from app.database.types import Base
from app.errors import Busy
from app.oauth.server import create_server
from tests.conftest import StartServer
from tests.live import LiveServer
from tests.oauth.wire import ORDERS, Wire


@pytest.mark.asvs("2.4.1")
@pytest.mark.contract("a password hash is slow and large")
def test_only_as_many_passwords_are_hashed_at_once_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock, pause = 0, 0, threading.Lock(), threading.Event()

    class Slow:
        def __init__(self, **_: int) -> None: ...

        def hash(self, _: bytes) -> str:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            pause.wait(0.05)
            with lock:
                running -= 1
            return "hashed"

    monkeypatch.setattr(passwords, "PasswordHasher", Slow)
    slow, refused = Passwords(at_once=2), []

    def hash_one() -> None:
        try:
            slow.hash("x")
        except Busy as error:
            refused.append(error.retry_after)

    threads = [threading.Thread(target=hash_one) for _ in range(2 + passwords.WAITING + 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == 2
    assert refused and all(refused)  # with Retry-After, and no thread of theirs waits


@pytest.mark.contract("a password hash is slow and large")
def test_no_token_or_client_secret_costs_a_password_hash(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> bool:
        raise AssertionError("a password hash")

    pat = wire.core.pat("alice", "orders:read", name="cheap")[1]
    monkeypatch.setattr(Passwords, "verify", slow)
    monkeypatch.setattr(Passwords, "hash", slow)
    assert wire.token(wire.robot, scope="orders:read").status_code == 200
    assert wire.introspect(pat, wire.shop)["active"]
    assert wire.ask(Authorization=f"Bearer {pat}").status_code == 200
    assert wire.token(("robot", "wrong")).status_code == 401


@pytest.mark.contract("constraints without names")
def test_each_constraint_has_a_name_that_a_migration_can_use() -> None:
    constraints = [one for table in Base.metadata.tables.values() for one in table.constraints]
    named: list[Constraint] = [one for one in constraints if not isinstance(one, PrimaryKeyConstraint)]
    assert len(named) > 10
    assert [f"{one.table.name}: {one!r}" for one in constraints if one.name is None] == []


@pytest.mark.contract("Authlib's logger prints whole tokens at DEBUG")
def test_no_process_lets_authlib_log_below_info(wire: Wire) -> None:
    logging.getLogger("authlib").setLevel(logging.DEBUG)
    create_server(wire.http.application, wire.core.actions)
    assert not logging.getLogger("authlib.oauth2.rfc6749.grants.base").isEnabledFor(logging.DEBUG)


@pytest.mark.contract("plain http off loopback raises; `AUTHLIB_INSECURE_TRANSPORT`")
def test_authlibs_switch_for_plain_http_is_never_set(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTHLIB_INSECURE_TRANSPORT", raising=False)
    create_server(wire.http.application, wire.core.actions)
    assert wire.token(wire.robot).status_code == 200
    assert "AUTHLIB_INSECURE_TRANSPORT" not in os.environ


@pytest.mark.contract("`PyJWKClient` refetches an unknown `kid` after 30 s only")
@pytest.mark.spec("RFC 7517 §5")
def test_a_verifier_that_fetched_the_keys_once_reads_tokens_of_the_next(wire: Wire) -> None:
    keys = jwt.PyJWKSet.from_dict(wire.http.get("/.well-known/jwks.json").json)  # type: ignore[arg-type]
    with wire.core.store.transaction() as session:
        wire.core.actions.signing_keys.rotate(session, wire.core.clock())
    token = wire.token(wire.robot, scope="orders:read").json["access_token"]
    key = keys[jwt.get_unverified_header(token)["kid"]]
    unclocked = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    claims = jwt.decode(token, key, algorithms=["ES256"], audience=ORDERS, options=unclocked)  # type: ignore[arg-type]
    assert claims["client_id"] == "robot"


@pytest.mark.contract("Basic that is not UTF-8, a secret that is not ASCII")
@pytest.mark.spec("RFC 6749 §2.3.1")
def test_form_encoding_is_undone_once(wire: Wire) -> None:
    name, secret = wire.robot
    for pair in ((name, secret.replace("_", "%255F")), (name.replace("o", "%256F"), secret)):
        assert wire.token(pair).status_code == 401
    assert wire.token((name.replace("o", "%6F"), secret.replace("_", "%5F"))).status_code == 200


@pytest.mark.asvs("13.2.2", "16.2.3")
@pytest.mark.contract("the server leaves files under the home directory")
def test_a_server_keeps_its_files_in_its_instance(
    fresh_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    live = fresh_server(workers=2)
    assert live.http.get("/readyz").status_code == 200
    live.stop()
    assert list(home.rglob("*")) == []


@pytest.mark.contract("Prometheus' folder: emptied at a start")
def test_what_another_server_counted_is_gone_with_the_next_start(fresh_server: StartServer) -> None:
    live = fresh_server()
    live.kill()  # no farewell: its files are still there
    stale = live.instance / "metrics" / str(live.port) / "counter_1.db"
    assert stale.parent.is_dir()
    stale.write_bytes(b"\xff" * 64)
    live.start()
    assert _metrics(live)


def _metrics(live: LiveServer) -> str:
    return live.http.get("/metrics").raise_for_status().text
