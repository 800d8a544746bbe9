"""A secret in the place of a name is stored nowhere: not in the database, a log, a metric or a file."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api import Admin, expect
from tests.contract.world import World, create_world
from tests.dpop import Prover
from tests.live import LiveServer, client

pytestmark = pytest.mark.both_databases

Send = Callable[["Mistakes", str], object]
PASSWORD = "Correct-Horse+Battery-9-Staple"
CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')
ELSEWHERE = ("bootstrap.json", "secret_key")  # files that hold secrets because they must


@dataclass
class Mistakes:
    """A server, and everything that it answered to mistakes."""

    world: World
    http: httpx.Client
    answers: list[str] = field(default_factory=list)

    def post(self, path: str, **sent: Any) -> httpx.Response:
        return self.keep(self.http.post(path, **sent))

    def get(self, path: str, **sent: Any) -> httpx.Response:
        return self.keep(self.http.get(path, **sent))

    def manage(self, method: str, path: str, body: object = None, **sent: Any) -> httpx.Response:
        return self.keep(self.world.admin.request(method, path, json=body, **sent))

    def keep(self, answer: httpx.Response) -> httpx.Response:
        self.answers.append(answer.text + str(answer.headers))
        return answer


def sign_in(made: Mistakes, username: str, password: str, onward: str = "") -> None:
    page = made.http.get("/login", params={"next": onward} if onward.isprintable() else {})
    token = CSRF.search(page.text)
    form = {"csrf_token": token[1] if token else "", "username": username, "password": password, "next": onward}
    made.post("/login", data=form)


def introspect_as(made: Mistakes, user: str, password: str) -> None:
    made.post("/oauth/introspect", data={"token": "x"}, auth=(user, password))


def header(made: Mistakes, name: str, text: str) -> None:
    """Send a header with a request that fails, and with one that changes something."""
    made.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=("nobody", "x"), headers={name: text})
    made.manage("PATCH", f"/users/{made.world.user.id}", {"display_name": "A"}, headers={name: text})


def browser_name(made: Mistakes, text: str) -> None:
    """Sign in: what a browser calls itself is kept with the session."""
    header(made, "User-Agent", text)
    with client(made.world.admin.server.url) as browser:
        browser.headers["User-Agent"] = text
        sign_in(Mistakes(made.world, browser), made.world.user.username, made.world.user.password)


PLACES: dict[str, Send] = {
    "user name of Basic at token": lambda made, text: made.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, auth=(text, "")
    ),
    "user name of Basic at introspection": lambda made, text: introspect_as(made, text, ""),
    "id and secret swapped": lambda made, text: introspect_as(made, text, made.world.client.client_id),
    "a secret as both": lambda made, text: introspect_as(made, text, text),
    "user name of Basic at revocation": lambda made, text: made.post(
        "/oauth/revoke", data={"token": "x"}, auth=(text, "x")
    ),
    "user name of Basic at /me": lambda made, text: made.get("/api/v1/me", auth=(text, "")),
    "client_id in the form": lambda made, text: made.post(
        "/oauth/token", data={"grant_type": "client_credentials", "client_id": text, "client_secret": "x"}
    ),
    "client_id of the JWT bearer grant": lambda made, text: made.post(
        "/oauth/token",
        data={"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "client_id": text, "assertion": text},
    ),
    "assertion": lambda made, text: made.post(
        "/oauth/token",
        data={"grant_type": "client_credentials", "client_assertion": text, "client_assertion_type": text},
    ),
    "parameters of the token endpoint": lambda made, text: made.post(
        "/oauth/token", data={"grant_type": text, "scope": text, "resource": text, text: text}
    ),
    "scope and resource of a client": lambda made, text: [
        made.post("/oauth/token", data={"grant_type": "client_credentials", name: text}, auth=made.world.client.basic)
        for name in ("scope", "resource", "audience", text)
    ],
    "subject token": lambda made, text: made.post(
        "/oauth/token",
        data={
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": text,
            "subject_token_type": text,
            "scope": text,
        },
    ),
    "token_type_hint": lambda made, text: made.post(
        "/oauth/introspect", data={"token": "x", "token_type_hint": text}, auth=made.world.resource_server.basic
    ),
    "client_ip": lambda made, text: made.post(
        "/oauth/introspect", data={"token": "x", "client_ip": text}, auth=made.world.resource_server.basic
    ),
    "user name of the sign-in page": lambda made, text: sign_in(made, text, "wrong"),
    "next of the sign-in page": lambda made, text: sign_in(made, "nobody", "x", f"/account/{text}"),
    "path": lambda made, text: [
        made.get(f"{start}/{text.replace('/', '%2F')}")
        for start in ("", "/oauth", "/oauth/introspect", "/oauth/forward-auth", "/api/v1/users", "/console", "/account")
    ],
    "path of an operator": lambda made, text: [
        made.manage("GET", f"/{kind}/{text.replace('/', '%2F')}")
        for kind in ("users", "clients", "resources/x/permissions")
    ],
    "query": lambda made, text: [
        made.get("/oauth/forward-auth", params={"resource": text, "scope": text, "key": text, text: "1"}),
        made.get("/compare", params={"purpose": text, text: text}),
        made.get("/console", params={"q": text}),
        made.get("/readyz", params={text: text}),
    ],
    "query of a list": lambda made, text: [
        made.manage("GET", "/users", params={"limit": text, "cursor": text, "username": text}),
        made.manage("GET", "/audit-events", params={"actor": text, "action": text, "target": text}),
    ],
    "JSON names and values": lambda made, text: [
        made.manage("POST", "/resources", {text: text, "identifier": text}),
        made.manage("POST", "/credentials/inspect", {text: text, "credential": [text]}),
        made.post("/api/v1/credentials/revoke", json={"credentials": [f"{text}x"], text: text}),
    ],
    "file name": lambda made, text: [
        made.post(path, files={text: (f"{text}.txt", b"x", f"text/{text[:20]}")}) for path in ("/login", "/oauth/token")
    ],
    "Authorization of another scheme": lambda made, text: [
        made.get(path, headers={"Authorization": f"{scheme} {text}".strip()})
        for path in ("/api/v1/users", "/oauth/forward-auth?resource=x")
        for scheme in ("Basic", "Token", "Bearer Bearer", "DPoP", "")
    ],
    "method": lambda made, text: made.keep(made.http.request(re.sub(r"\W", "", text)[:40], "/oauth/token")),
    "name of the browser": browser_name,
    **{
        f"header {name}": lambda made, text, name=name: header(made, name, text)  # type: ignore[misc]
        for name in (
            "Referer",
            "Origin",
            "X-Request-Id",
            "Forwarded",
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "X-API-Key",
            "DPoP",
            "Accept",
            "X-Csrf-Token",
            "X-Latchkey-Probe",
        )
    },
}
FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda secret: secret,
    "percent-encoded": lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
    "base64 as Basic has it": lambda secret: base64.b64encode(f"{secret}:".encode()).decode(),
    "base64 without padding": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
}
ENCODED = ("personal access token", "JWT", "password")  # the kinds that are sent in each form


@dataclass(frozen=True)
class Aftermath:
    """A stopped server, what it had answered and said of itself, and the secrets that were misplaced."""

    live: LiveServer
    secrets: dict[str, str] = field(repr=False)
    answers: str = field(repr=False)
    audit: str = field(repr=False)
    metrics: str = field(repr=False)


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    live = LiveServer(tmp_path_factory.mktemp("mistakes") / "instance", {"log_level": "debug"}).start()
    admin = Admin(live)
    world = create_world(admin)
    secrets = each_kind(world)
    answers: list[str] = []
    for number, text in enumerate(misplaced(secrets), 2):  # an address each: beyond 30 failures of one they are merged
        with client(live.url, transport=httpx.HTTPTransport(verify=False, local_address=f"127.0.0.{number}")) as http:
            made = Mistakes(world, http, answers)
            for send in PLACES.values():
                send(made, text)
    audit = json.dumps(all_events(admin))
    metrics = live.http.get("/metrics").text
    live.stop()
    return Aftermath(live, secrets, "".join(answers), audit, metrics)


def misplaced(secrets: dict[str, str]) -> list[str]:
    """Return what is sent: each secret as it is first, since only 300 failures a minute have an event of their own."""
    encoded = [form for name, form in FORMS.items() if name != "plain"]
    return [*secrets.values(), *(form(secrets[kind]) for kind in ENCODED for form in encoded)]


def each_kind(world: World) -> dict[str, str]:
    """Return one live secret of each kind."""
    admin = world.admin
    expect(200, admin.patch(f"/users/{world.user.id}", {"password": PASSWORD}))
    object.__setattr__(world.user, "password", PASSWORD)
    with client(admin.server.url) as browser:
        sign_in(Mistakes(world, browser), world.user.username, PASSWORD)
        cookies = [value for name, value in browser.cookies.items() if "latchkey" in name]
    assert len(cookies) == 1
    return {
        "personal access token": world.issue("pat").token,
        "API key": world.issue("api_key").token,
        "client secret": world.client.client_secret,
        "JWT": world.issue("m2m").token,
        "password": PASSWORD,
        "session cookie": str(cookies[0]),
        "DPoP proof": Prover(lambda: 1_900_000_000).proof("GET", admin.issuer),
    }


def all_events(admin: Admin) -> list[Any]:
    items: list[Any] = []
    params: dict[str, Any] = {"limit": 200}
    while True:
        page = expect(200, admin.get("/audit-events", params=params)).json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        params["cursor"] = page["next_cursor"]


def core_of(secret: str) -> str:
    """Return the piece that nobody can guess."""
    return secret[7:39] if secret.startswith("lk_") else secret.rsplit(".", 1)[-1]


def places_of(secret: str, text: bytes) -> list[str]:
    """Name the forms of a secret that a text holds, in any case that it may have got on its way."""
    sought = {"plain": secret, "core": core_of(secret)} | {name: form(secret) for name, form in FORMS.items()}
    sought["base64 as Basic has it"] = sought["base64 as Basic has it"][:40]  # its end depends on the padding
    lowered = text.lower()
    return [name for name, one in sought.items() if one.encode().lower() in lowered]


KINDS = ("personal access token", "API key", "client secret", "JWT", "password", "session cookie", "DPoP proof")


@pytest.mark.contract("unknown names are not stored, because they may contain secrets")
@pytest.mark.parametrize("kind", KINDS)
def test_the_database_keeps_no_misplaced_secret(aftermath: Aftermath, kind: str) -> None:
    assert places_of(aftermath.secrets[kind], aftermath.live.database.dump()) == []


@pytest.mark.contract("unknown names are not stored, because they may contain secrets")
@pytest.mark.parametrize("kind", KINDS)
def test_no_log_line_and_no_metric_holds_a_misplaced_secret(aftermath: Aftermath, kind: str) -> None:
    log = aftermath.live.log_text().encode()
    assert log.count(b"\n") > 1_000
    assert places_of(aftermath.secrets[kind], log) == []
    assert places_of(aftermath.secrets[kind], aftermath.metrics.encode()) == []


@pytest.mark.contract("unknown names are not stored, because they may contain secrets")
@pytest.mark.parametrize("kind", KINDS)
def test_no_audit_event_holds_a_misplaced_secret_and_failures_stay_distinct(aftermath: Aftermath, kind: str) -> None:
    assert places_of(aftermath.secrets[kind], aftermath.audit.encode()) == []
    failed = [event["target"] for event in json.loads(aftermath.audit) if event["action"] == "authentication.fail"]
    assert len(failed) > 100
    marks = [target for target in failed if re.fullmatch(r"unknown-\d+-[0-9a-f]{16}", target)]
    assert len(set(marks)) < len(marks) and any(f"unknown-{len(aftermath.secrets[kind])}-" in mark for mark in marks)


@pytest.mark.parametrize("kind", ["personal access token", "API key", "client secret", "JWT", "DPoP proof"])
def test_no_answer_holds_a_misplaced_secret(aftermath: Aftermath, kind: str) -> None:
    secret = aftermath.secrets[kind]  # a text without the form of a secret, such as a password, is quoted to its sender
    assert secret not in aftermath.answers and core_of(secret) not in aftermath.answers


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_beside_the_database_holds_a_misplaced_secret(aftermath: Aftermath, kind: str) -> None:
    for path in Path(aftermath.live.instance).rglob("*"):
        if path.is_file() and path.name not in ELSEWHERE:
            assert places_of(aftermath.secrets[kind], path.read_bytes()) == [], path.name


NAMED: dict[str, tuple[str, Callable[[World, str], dict[str, object]], str]] = {
    "a token's name": ("/users/{user}/personal-access-tokens", lambda w, s: {"name": s, "scopes": [w.read]}, "name"),
    "a token's description": (
        "/users/{user}/personal-access-tokens",
        lambda w, s: {"name": "x", "scopes": [w.read], "description": f"it is {s}."},
        "description",
    ),
    "a key's name": ("/api-keys", lambda w, s: {"name": s, "resource": w.identifier}, "name"),
    "a client's name": ("/clients", lambda _, s: {"name": s}, "name"),
    "a client secret's name": ("/clients/{client}/secrets", lambda _, s: {"name": f"new {s}"}, "name"),
    "a role's name": ("/roles", lambda _, s: {"name": s, "type": "user"}, "name"),
    "a role's description": ("/roles", lambda _, s: {"name": "r", "type": "user", "description": s}, "description"),
    "a user's name": ("/users", lambda _, s: {"username": s}, "username"),
    "a user's display name": ("/users", lambda _, s: {"username": "u", "display_name": s}, "display_name"),
    "a resource's name": ("/resources", lambda _, s: {"identifier": "https://n.example", "name": s}, "name"),
    "a resource's identifier": (
        "/resources",
        lambda _, s: {"identifier": f"https://n.example/{s}", "name": "n"},
        "identifier",
    ),
    "a permission's name": (
        "/resources",
        lambda _, s: {"identifier": "https://n.example", "name": "n", "permissions": [{"name": s}]},
        "name",
    ),
    "a permission's description": (
        "/resources",
        lambda _, s: {"identifier": "https://n.example", "name": "n", "permissions": [{"name": "n", "description": s}]},
        "description",
    ),
}


@pytest.fixture(scope="module")
def named(admin: Admin) -> World:
    return create_world(admin)


@pytest.mark.contract("unknown names are not stored, because they may contain secrets")
@pytest.mark.parametrize("what", NAMED)
def test_a_secret_is_refused_as_a_name_and_the_answer_says_why(named: World, what: str) -> None:
    path, body, wrong = NAMED[what]
    place = path.format(user=named.user.id, client=named.client.id)
    for kind in ("pat", "api_key"):
        secret = named.issue(kind).token
        answer = named.admin.post(place, body(named, secret))
        assert answer.status_code == 422 and secret not in answer.text, answer.text
        assert wrong in str(answer.json()["errors"]) and "holds a secret" in answer.text


def test_what_was_named_by_a_secret_before_that_rule_can_still_be_ended(named: World) -> None:
    secret, made = named.issue("pat").token, named.admin.create("/clients", {"name": "old"})
    key = named.admin.create("/api-keys", {"name": "old", "resource": named.identifier})
    database = named.admin.server.database
    database.execute("UPDATE client SET name = :name WHERE id = :id", name=secret, id=made["id"])
    database.execute("UPDATE api_key SET name = :name WHERE id = :id", name=secret, id=key["id"])
    named.admin.remove(f"/api-keys/{key['id']}")
    named.admin.change(f"/clients/{made['id']}", {"enabled": False})
    named.admin.remove(f"/clients/{made['id']}")
    assert secret not in json.dumps(named.admin.get("/audit-events", params={"limit": 50}).json())
