"""After a session of everything, no secret that was ever seen is in the database, a log, an audit event or an error."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.crypto import opaque
from tests.api import Admin, expect
from tests.conftest import StartServer
from tests.contract.world import World, create_world
from tests.live import LiveServer

pytestmark = pytest.mark.both_databases

SECRET_MEMBERS = ("token", "key", "client_secret", "access_token")
JWT = re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}")
OURS = re.compile(rb"lk_(?:pat|key|sec)_[0-9A-Za-z]{38}")


class Witness:
    """Keeps every secret that an answer showed, and every error that was given."""

    def __init__(self, admin: Admin) -> None:
        self.secrets: set[str] = set()
        self.errors: list[str] = []
        admin.http.event_hooks["response"].append(self._see)

    def _see(self, response: httpx.Response) -> None:
        response.read()
        if response.status_code >= 400:
            self.errors.append(response.text + str(response.headers))
        if response.headers.get("Content-Type", "").startswith("application/json"):
            body = response.json()
            self.secrets |= {body[name] for name in SECRET_MEMBERS if isinstance(body, dict) and body.get(name)}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server at DEBUG after everything was done to it, and what was seen on the way."""
    live = LiveServer(tmp_path_factory.mktemp("secrets") / "instance", {"log_level": "debug"}, workers=2).start()
    admin = Admin(live)
    witness = Witness(admin)
    world = create_world(admin)
    do_everything(world)
    misplace(world, sorted(witness.secrets))
    bootstrap = live.bootstrap
    witness.secrets |= {bootstrap["admin_password"], bootstrap["client_secret"], world.user.password}
    witness.secrets |= {world.client.client_secret, world.resource_server.client_secret}
    audit = all_of(admin, "/audit-events")
    metrics = admin.http.get("/metrics").text
    live.stop()
    assert len(witness.secrets) >= 15
    return live, witness, json.dumps(audit), metrics


def do_everything(world: World) -> None:
    """Issue, use, change and end each kind."""
    admin = world.admin
    for kind in ("pat", "api_key"):
        for _ in range(2):
            made = world.issue(kind)
            kind_urn = "personal_access_token" if kind == "pat" else "api_key"
            jwt = expect(200, admin.exchange(made.token, kind_urn, world.client)).json()["access_token"]
            for token in (made.token, jwt):
                admin.introspect(token, world.resource_server)
                admin.forward_auth(token, world.resource)
                admin.post("/credentials/inspect", {"credential": token})
    machine = world.issue("m2m").token
    admin.revoke(machine, world.client)
    own = admin.get("/me/personal-access-tokens", auth=world.user.basic).json()["items"]
    expect(200, admin.post(f"/me/personal-access-tokens/{own[0]['id']}/regenerate", auth=world.user.basic))
    keys = all_of(admin, "/api-keys")
    rotated = expect(200, admin.post(f"/api-keys/{keys[0]['id']}/rotate", {"overlap_seconds": 60})).json()["key"]
    further = admin.create(f"/clients/{world.client.id}/secrets", {"name": "second"})
    leaked = {"credentials": [rotated, further["client_secret"], "nothing"]}
    expect(202, admin.post("/credentials/revoke", leaked, auth=False))
    admin.change(f"/users/{world.user.id}", {"display_name": "A"})


def misplace(world: World, secrets: list[str]) -> None:
    """Put each secret where it does not belong: in the URL, in names, in the wrong header or field."""
    admin = world.admin
    for secret in secrets:
        admin.http.get("/oauth/forward-auth", params={"resource": "x", "api_key": secret, secret: "1"})
        admin.http.get(f"/oauth/introspect/{secret}")
        admin.http.get(f"/api/v1/users/{secret}", headers={"Authorization": f"Bearer {secret}"})
        admin.http.get("/api/v1/me", auth=(secret, secret))
        admin.http.post(f"/oauth/token?access_token={secret}", data={"grant_type": secret, "scope": secret})
        admin.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(secret[:9], secret))
        admin.http.post("/oauth/token", data={secret: "x", "client_id": secret, "client_secret": secret})
        admin.http.post("/oauth/introspect", data={"token": secret, "token_type_hint": secret, "client_ip": secret})
        admin.post("/resources", {secret: secret, "identifier": secret})
        admin.get("/users", params={"limit": secret, "cursor": secret})


def all_of(admin: Admin, path: str) -> list[Any]:
    """Walk a list to its end."""
    items: list[Any] = []
    params: dict[str, Any] = {"limit": 200}
    while True:
        page = expect(200, admin.get(path, params=params)).json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        params["cursor"] = page["next_cursor"]


def hidden(secrets: set[str], where: bytes, what: str) -> None:
    """Assert that none of them is there, whole or without its prefix."""
    for secret in secrets:
        assert secret.encode() not in where, f"{what} holds {secret[:12]}…"
        core = secret[7:39] if secret.startswith("lk_") else secret.rsplit(".", 1)[-1]
        assert core.encode() not in where, f"{what} holds the core of {secret[:12]}…"


@pytest.mark.asvs("13.3.1", "14.2.4")
@pytest.mark.contract("a secret is shown once and never again, on any interface")
def test_the_database_holds_no_secret(session: Any) -> None:
    live, witness, _, _ = session
    kept = live.database.dump()
    assert b"personal_access_token.regenerate" in kept
    hidden(witness.secrets, kept, "the database")
    assert not OURS.search(kept)
    assert not JWT.search(kept)
    assert b"PRIVATE KEY" not in kept
    assert b'"d":' not in kept


@pytest.mark.asvs("6.4.1")
def test_the_first_credentials_stand_in_one_file_alone(session: Any) -> None:
    live, _, _, _ = session
    firsts = {live.bootstrap["admin_password"], live.bootstrap["client_secret"]}
    hidden(firsts, live.database.dump(), "the database")
    for path in Path(live.instance).rglob("*"):
        if path.is_file() and path.name != "bootstrap.json":
            hidden(firsts, path.read_bytes(), path.name)


@pytest.mark.asvs("14.2.4", "16.2.5")
@pytest.mark.contract(
    "a secret is shown once and never again, on any interface", "Authlib's logger prints whole tokens at DEBUG"
)
def test_no_log_at_debug_holds_a_secret(session: Any) -> None:
    live, witness, _, _ = session
    log = live.log_text().encode()
    assert log.count(b"\n") > 100
    hidden(witness.secrets, log, "the log")
    assert not OURS.search(log)
    assert not JWT.search(log)


@pytest.mark.asvs("13.4.5")
@pytest.mark.contract("a secret is shown once and never again, on any interface")
def test_no_audit_event_no_error_and_no_metric_holds_a_secret(session: Any) -> None:
    _, witness, audit, metrics = session
    assert '"personal_access_token.regenerate"' in audit
    assert '"authentication.fail"' in audit
    assert len(witness.errors) > 50
    hidden(witness.secrets, audit.encode(), "the audit")
    hidden(witness.secrets, "".join(witness.errors).encode(), "an error")
    hidden(witness.secrets, metrics.encode(), "a metric")


@pytest.mark.asvs("11.3.2", "14.2.4")
def test_a_private_key_is_sealed(fresh_server: StartServer) -> None:
    server = fresh_server()
    server.stop()
    kept = server.database.dump()
    assert b"gAAAA" in kept  # a Fernet token
    assert b"\x30\x81\x87\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d" not in kept  # PKCS #8 of a P-256 key


@pytest.mark.asvs("14.2.4")
def test_a_secret_has_no_repr(admin: Admin) -> None:
    from app.access.scopes import Scopes
    from app.actions.tokens.issue import AccessToken
    from app.credentials.kind import Issued

    secret = opaque.mint(opaque.Prefix.PAT)
    assert secret not in repr(Issued("pat_1", secret))
    assert secret not in repr(AccessToken(secret, 1, Scopes(), "m2m_1"))
    assert admin.administrator.password not in repr(admin.administrator)
