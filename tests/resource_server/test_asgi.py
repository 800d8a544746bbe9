"""What only an ASGI application has: its scope, its lifespan, WebSockets."""

import asyncio
import base64
import json
from collections.abc import Awaitable
from typing import Any

import pytest

from app.resource_server import AsyncGuard, Configuration
from app.resource_server.asgi import Application, Message, Receive, Scope, Send, protect, read_request
from tests.api import Admin, Json
from tests.clients import asynchronous
from tests.contract.world import World, create_world
from tests.resource_server.apis import DER, PEM, show_credential

NOWHERE = Configuration("http://127.0.0.1:9", "https://api.example/", "id", "secret")
DENIAL: Json = {"websocket.http.response": {}}


@pytest.fixture(scope="module")
def world(admin: Admin) -> World:
    return create_world(admin)


def guard_of(world: World) -> AsyncGuard:
    return AsyncGuard(Configuration(world.admin.issuer, world.identifier, *world.resource_server.basic))


def scope_of(kind: str = "http", headers: dict[str, str] | None = None, **values: Any) -> Scope:
    lines = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    own = {"method": "GET", "scheme": "http"} if kind == "http" else {"scheme": "ws"}
    return {"type": kind, "path": "/", "headers": lines, "client": ("192.0.2.7", 1), **own, **values}


def run(application: Application, scope: Scope, first: str = "http.request") -> list[Message]:
    """Return the messages that an application sends."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": first}

    async def send(message: Message) -> None:
        sent.append(message)

    asynchronous.run(_await(application(scope, receive, send)))
    return sent


async def _await(awaitable: Awaitable[None]) -> None:
    await awaitable


def connect(application: Application, headers: dict[str, str], extensions: Json) -> list[Message]:
    """Return what an application answers to the opening of a WebSocket."""
    return run(application, scope_of("websocket", headers, extensions=extensions), "websocket.connect")


async def accept(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept a WebSocket, and show the credential."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": json.dumps(show_credential())})


def test_a_lifespan_passes_without_a_credential() -> None:
    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})

    application = protect(note, AsyncGuard(NOWHERE), "read")
    assert run(application, {"type": "lifespan"}, "lifespan.startup") == [{"type": "lifespan.startup.complete"}]


def test_a_connection_of_an_unknown_type_reaches_nobody() -> None:
    reached = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)

    with pytest.raises(ValueError, match="'datagram' is not a type of connection that can be protected"):
        run(protect(note, AsyncGuard(NOWHERE)), scope_of("datagram"))
    assert not reached


@pytest.mark.spec("RFC 6455 §7.4.1")
@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer garbage"}, {"authorization": "Basic eDp5"}])
def test_a_websocket_is_never_accepted_without_a_credential(world: World, headers: dict[str, str]) -> None:
    application = protect(accept, guard_of(world), world.read)
    start, body = connect(application, headers, DENIAL)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert dict(start["headers"])[b"www-authenticate"].startswith(b"Bearer")
    assert body["type"] == "websocket.http.response.body" and json.loads(body["body"])["error"]
    [closed] = connect(application, headers, {})
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


def test_a_websocket_is_accepted_with_a_good_credential_and_refused_with_a_narrow_one(world: World) -> None:
    application = protect(accept, guard_of(world), world.read)
    good, narrow = world.issue("pat"), world.issue("pat", scopes=[world.write])
    for extensions in (DENIAL, {}):
        accepted, shown = connect(application, {"authorization": f"Bearer {good.token}"}, extensions)
        assert accepted["type"] == "websocket.accept" and json.loads(shown["text"])["id"] == good.id
    start, _ = connect(application, {"authorization": f"Bearer {narrow.token}"}, DENIAL)
    assert start["status"] == 403


def test_a_websocket_that_is_gone_before_it_is_answered_gets_no_answer() -> None:
    application = protect(accept, AsyncGuard(NOWHERE))
    assert run(application, scope_of("websocket"), "websocket.disconnect") == []


def test_tasks_that_a_request_starts_have_its_credential(world: World) -> None:
    seen: list[Json] = []

    async def start(scope: Scope, receive: Receive, send: Send) -> None:
        async def note() -> None:
            seen.append(show_credential())

        await asyncio.gather(note(), asyncio.to_thread(lambda: seen.append(show_credential())))

    credential = world.issue("pat")
    run(protect(start, guard_of(world)), scope_of(headers={"x-api-key": credential.token}))
    assert [one["id"] for one in seen] == [credential.id, credential.id]
    assert show_credential() == {"kind": None}


@pytest.mark.parametrize(
    ("client", "sent"),
    [(("2001:db8::7", 1), "2001:db8::7"), (["fe80::1%eth0", 1], "fe80::1"), (("", 0), None), (None, None)],
)
def test_the_address_of_the_caller_is_that_of_the_server(client: object, sent: str | None) -> None:
    assert read_request(scope_of(client=client), NOWHERE).client_ip == sent


@pytest.mark.parametrize(
    ("scope", "url"),
    [
        (scope_of(headers={"host": "api.example"}, path="/a b/é", scheme="https"), "https://api.example/a%20b/%C3%A9"),
        (scope_of(headers={"Host": "api.example:8443"}, path="/v1/a", root_path="/v1"), "http://api.example:8443/v1/a"),
        (scope_of(headers={"host": "api.example"}, path="/a", root_path="/v1"), "http://api.example/v1/a"),
        (scope_of(headers={"host": "api.example"}, path="/v12", root_path="/v1"), "http://api.example/v1/v12"),
        (scope_of(server=("127.0.0.1", 80)), "http://127.0.0.1/"),
        (scope_of(server=("::1", 8080)), "http://[::1]:8080/"),
        (scope_of("websocket", {"host": "api.example"}, scheme="wss", path="/feed"), "https://api.example/feed"),
    ],
)
def test_the_url_is_that_of_the_server_without_the_query(scope: Scope, url: str) -> None:
    assert read_request({**scope, "query_string": b"x=1"}, NOWHERE).url == url


def test_the_metadata_is_served_below_a_mount_too() -> None:
    scope = scope_of(path="/v1/.well-known/oauth-protected-resource", root_path="/v1")
    start, body = run(protect(accept, AsyncGuard(NOWHERE)), scope)
    assert start["status"] == 200 and json.loads(body["body"])["resource"] == NOWHERE.resource


def test_a_certificate_is_that_of_the_server_or_of_the_header_that_is_configured() -> None:
    behind_proxy = Configuration("http://127.0.0.1:9", "urn:a", "id", "secret", certificate_header="Client-Cert")
    tls = {"tls": {"client_cert_chain": [PEM, "an issuer"]}}
    header = {"client-cert": f":{base64.b64encode(DER).decode()}:"}
    assert read_request(scope_of(extensions=tls), NOWHERE).certificate == DER
    assert read_request(scope_of(headers=header), NOWHERE).certificate is None
    assert read_request(scope_of(headers=header), behind_proxy).certificate == DER
    twice = {**scope_of(), "headers": scope_of(headers=header)["headers"] * 2}
    for scope in (twice, scope_of(extensions=tls), scope_of(extensions={"tls": {"client_cert_chain": []}})):
        assert read_request(scope, behind_proxy).certificate is None
