"""The official MCP clients, in Python and TypeScript, and an official MCP server: they find Latchkey by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.resource_server import Verification
from tests.api import Client, Json, User
from tests.browser import Browser
from tests.clients.apps import Browse, run_app
from tests.clients.asynchronous import run
from tests.clients.mcp_scene import SCOPES, McpServer, Scene, opened
from tests.gateways.programs import Upstream
from tests.machine import require_program
from tests.spec.client_keys import ALGORITHMS, Key, new_key, register

if TYPE_CHECKING:  # the SDK takes a second of CPU: it is imported by what uses it
    from httpx2 import Auth

    from tests.clients.mcp_client import App

REDIRECT = "http://127.0.0.1:49322/callback"
ANSWER = {"code", "state", "iss"}
METHODS = ("client_secret_basic", "client_secret_post", "ES256", "RS256")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with opened(tmp_path_factory.mktemp("mcp")) as scene:
        yield scene


@pytest.fixture(params=SCOPES)
def mcp_server(request: pytest.FixtureRequest, scene: Scene) -> McpServer:
    """An MCP server that introspects tokens, and one that verifies them by the published keys."""
    verification: Verification = request.param
    return scene.servers[verification]


def check(said: Json, scene: Scene, server: McpServer, client_id: str) -> None:
    """Check that the tool was called for the person, through this app; a JWT itself names the user by id alone."""
    assert said == {
        "credential_type": "oauth_token",
        "subject": scene.user.id,
        "username": scene.user.username if server.verification == "introspection" else None,
        "client_id": client_id,
        "scopes": [server.scope],
    }


def check_agent(said: Json, server: McpServer, client_id: str) -> None:
    """Check that the tool was called for nobody but the client."""
    assert said["credential_type"] == "client_credentials" and said["scopes"] == [server.scope]
    assert said["client_id"] == said["subject"] == client_id and said["username"] is None


@pytest.mark.contract("the official MCP clients and an MCP server: discovery, registration, PKCE, `resource`")
@pytest.mark.spec("RFC 8414 §3", "RFC 7591 §3", "RFC 7636 §4", "RFC 8707 §2", "RFC 9207 §2", "RFC 9728 §3")
@pytest.mark.parametrize("method", [None, "none", "client_secret_basic", "client_secret_post"])
def test_a_python_app_registers_itself_and_calls_a_tool_for_a_user(
    scene: Scene, mcp_server: McpServer, method: str | None
) -> None:
    app = open_app(scene, mcp_server, method)
    said = call(mcp_server, app.auth)
    assert app.memory.client and app.memory.tokens
    check(said, scene, mcp_server, app.memory.client.client_id)
    assert (app.memory.client.client_secret is None) == (method == "none")
    assert app.asked["resource"] == [mcp_server.url] and app.asked["code_challenge_method"] == ["S256"]
    assert set(app.answer) == ANSWER

    first = app.memory.tokens
    app.auth.context.token_expiry_time = 1  # seconds since 1970: the SDK refreshes
    check(call(mcp_server, app.auth), scene, mcp_server, app.memory.client.client_id)
    assert app.memory.tokens.refresh_token not in (None, first.refresh_token)


def test_an_app_that_its_user_ended_has_to_ask_again(scene: Scene) -> None:
    server = scene.servers["introspection"]
    app = open_app(scene, server)
    call(server, app.auth)
    assert app.memory.client
    mine = scene.admin.get("/me/apps", auth=scene.user.basic).json()["items"]
    [one] = [it for it in mine if it["client_id"] == app.memory.client.client_id]
    scene.admin.remove(f"/me/apps/{one['id']}", auth=scene.user.basic)
    assert app.times_opened == 1
    app.auth.context.token_expiry_time = 1
    check(call(server, app.auth), scene, server, app.memory.client.client_id)
    assert app.times_opened == 2


@pytest.mark.contract("an MCP client that is known by its metadata document")
def test_a_python_app_is_known_by_its_metadata_document(scene: Scene, mcp_server: McpServer) -> None:
    document = publish(scene, "/python.json", REDIRECT)
    app = open_app(scene, mcp_server, document=document)
    check(call(mcp_server, app.auth), scene, mcp_server, document)


@pytest.mark.contract("an MCP client for an agent without a person")
@pytest.mark.spec("RFC 6749 §4.4", "RFC 7523 §2.2", "RFC 8707 §2", "RFC 9728 §3")
@pytest.mark.parametrize("method", METHODS)
def test_a_python_agent_calls_a_tool_without_a_person(scene: Scene, mcp_server: McpServer, method: str) -> None:
    client, auth = agent(scene, mcp_server.url, method)
    check_agent(call(mcp_server, auth), mcp_server, client.client_id)


@pytest.fixture(scope="module")
def typescript(scene: Scene, folder: Path, browser: Browser) -> Json:
    """Run one process for everything: the person agrees to the first app in Chromium, to the second one by HTTP."""
    server = scene.servers["introspection"]
    key = new_key("ES256")
    agent, keyed = (
        scene.admin.client([scene.machine_role]),
        register(scene.admin, key, roles=[scene.machine_role["name"]]),
    )
    with Upstream.running() as callback:
        redirect = f"http://{callback.address}/callback"
        browsers = iter([in_chromium(browser, scene.user, redirect), scene.person.allow])
        wanted = {
            "url": server.url,
            "issuer": scene.admin.issuer,
            "scope": server.scope,
            "redirect": redirect,
            "document": publish(scene, "/typescript.json", redirect),
            "agent": {"client_id": agent.client_id, "secret": agent.client_secret},
            "keyed": {"client_id": keyed.client_id, "pem": pem(key)},
        }
        results = run_app([require_program("node"), "mcp_client.mjs"], folder, wanted, lambda url: next(browsers)(url))
    return wanted | {"results": results}


@pytest.mark.contract("the official MCP clients and an MCP server: discovery, registration, PKCE, `resource`")
@pytest.mark.spec("RFC 8414 §3", "RFC 7591 §3", "RFC 7636 §4", "RFC 8707 §2", "RFC 9207 §2", "RFC 9728 §3")
def test_a_typescript_app_registers_itself_and_a_person_agrees_in_chromium(scene: Scene, typescript: Json) -> None:
    server, result = scene.servers["introspection"], typescript["results"]["registered"]
    assert "error" not in result, result["error"]
    check(result["first"], scene, server, result["client_id"])
    check(result["second"], scene, server, result["client_id"])
    assert result["asked"]["resource"] == server.url and result["asked"]["code_challenge_method"] == "S256"
    assert set(result["answer"]) == ANSWER
    assert result["scope"] == server.scope and result["rotated"] is True


@pytest.mark.contract("an MCP client that is known by its metadata document")
def test_a_typescript_app_is_known_by_its_metadata_document(scene: Scene, typescript: Json) -> None:
    result = typescript["results"]["by_document"]
    assert "error" not in result, result["error"]
    check(result["first"], scene, scene.servers["introspection"], typescript["document"])


@pytest.mark.contract("an MCP client for an agent without a person")
@pytest.mark.spec("RFC 6749 §4.4", "RFC 7523 §2.2")
@pytest.mark.parametrize(("done", "client"), [("by_secret", "agent"), ("by_key", "keyed")])
def test_a_typescript_agent_calls_a_tool_without_a_person(
    scene: Scene, typescript: Json, done: str, client: str
) -> None:
    result = typescript["results"][done]
    assert "error" not in result, result["error"]
    check_agent(result["first"], scene.servers["introspection"], typescript[client]["client_id"])


def open_app(scene: Scene, server: McpServer, method: str | None = "none", document: str | None = None) -> App:
    """Return an app of the person, which knows nothing but the address of the MCP server."""
    from tests.clients.mcp_client import App

    return App(server.url, REDIRECT, scene.person.allow, method, document)


def call(server: McpServer, auth: Auth) -> Json:
    """Call the tool; return what it says of the caller."""
    from tests.clients.mcp_client import call_tool

    return run(call_tool(server.url, auth))


def publish(scene: Scene, path: str, redirect: str) -> str:
    """Publish the metadata document of an app; return its client_id."""
    fields = {"grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none"}
    return scene.documents.publish(path, client_name="An app", redirect_uris=[redirect], **fields)


def in_chromium(browser: Browser, user: User, redirect: str) -> Browse:
    """Return how a person signs in and agrees in a real browser, which the app answers at its redirect URI."""

    def browse(url: str) -> str:
        with browser.page() as watched:
            watched.host = urlsplit(url).netloc
            page = watched.page
            page.goto(url)
            page.fill("[name=username]", user.username)
            page.fill("[name=password]", user.password)
            page.press("[name=password]", "Enter")
            page.click("button[name=decision][value=allow]")
            page.wait_for_url(f"{redirect}?**")
            assert not [error for error in watched.errors if "favicon" not in error]
            return page.url

    return browse


def agent(scene: Scene, url: str, method: str) -> tuple[Client, Auth]:
    """Return a client that acts for itself, and the SDK's provider for it."""
    from tests.clients.mcp_client import agent_with_key, agent_with_secret

    if method not in ALGORITHMS:
        client = scene.admin.client([scene.machine_role], token_endpoint_auth_method=method)
        return client, agent_with_secret(url, scene.admin.issuer, client, method)
    key = new_key(method)
    client = register(scene.admin, key, roles=[scene.machine_role["name"]])
    return client, agent_with_key(url, scene.admin.issuer, client, pem(key), method)


def pem(key: Key) -> str:
    """Return the private key as the SDKs take it."""
    made: bytes = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.decode()
