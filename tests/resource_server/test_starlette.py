"""What only FastAPI and Starlette have: dependencies and their OpenAPI document, classes of endpoints, WebSockets."""

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from app.resource_server import Credential, metadata_url
from app.resource_server.starlette import ResourceServer, current_credential
from tests.api import Admin, Json
from tests.clients.asynchronous import run
from tests.contract.world import World, create_world
from tests.dpop import Prover
from tests.live import client
from tests.resource_server.apis import issue_bound_token, show_credential
from tests.resource_server.serving import serve_asgi


@pytest.fixture(scope="module")
def world(admin: Admin) -> World:
    return create_world(admin)


@pytest.fixture(scope="module")
def latchkey(world: World) -> ResourceServer:
    return ResourceServer(world.admin.issuer, world.identifier, *world.resource_server.basic)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_dependency_returns_the_credential(world: World, latchkey: ResourceServer) -> None:
    application = FastAPI()

    @application.get("/")
    async def show(caller: Annotated[Credential, Depends(latchkey.require_scope(world.read, world.write))]) -> Json:
        assert current_credential.id == caller.id
        return {"id": caller.id, "scopes": sorted(caller.scopes)}

    credential = world.issue("pat")
    answer = TestClient(application).get("/", headers=bearer(credential.token))
    assert answer.json() == {"id": credential.id, "scopes": sorted([world.read, world.write])}


def test_the_document_shows_how_a_credential_is_sent_and_which_scopes_are_needed(latchkey: ResourceServer) -> None:
    application = FastAPI()
    latchkey.init_app(application)
    router = APIRouter(dependencies=[Depends(latchkey.require_scope("orders:read"))])
    router.add_api_route("/orders", lambda: [], dependencies=[Depends(latchkey.require_scope("orders:list"))])
    router.add_api_route("/more", lambda: [])
    application.include_router(router)
    document = application.openapi()
    schemes = document["components"]["securitySchemes"]
    assert (schemes["Bearer"]["type"], schemes["Bearer"]["scheme"]) == ("http", "bearer")
    assert (schemes["X-API-Key"]["in"], schemes["X-API-Key"]["name"]) == ("header", "X-API-Key")
    for path, scopes in {"/orders": ["orders:read", "orders:list"], "/more": ["orders:read"]}.items():
        shown = document["paths"][path]["get"]
        assert shown["security"] == [{"Bearer": scopes}, {"X-API-Key": scopes}]  # either of them
        assert "parameters" not in shown and "422" not in shown["responses"]
    assert document["paths"].keys() == {"/orders", "/more"}


@pytest.mark.spec("RFC 9449 §11.1")
def test_the_scopes_of_a_router_and_of_its_route_are_needed_and_a_proof_counts_for_both(
    world: World, latchkey: ResourceServer
) -> None:
    application, prover = FastAPI(), Prover(time.time)
    latchkey.init_app(application)
    router = APIRouter(dependencies=[Depends(latchkey.require_scope(world.read, verify="local"))])
    strict = [Depends(latchkey.require_scope(world.write, verify="introspection"))]
    router.add_api_route("/", show_credential, dependencies=strict)
    application.include_router(router)
    http = TestClient(application)
    for missing, kept in ((world.write, world.read), (world.read, world.write)):
        refused = http.get("/", headers=bearer(world.issue("pat", scopes=[kept]).token))
        assert refused.status_code == 403 and f'scope="{missing}"' in refused.headers["WWW-Authenticate"]
    token = issue_bound_token(world, prover)
    sent = {"Authorization": f"DPoP {token}", "DPoP": prover.proof("GET", "http://testserver/", token)}
    assert [http.get("/", headers=sent).status_code for _ in range(2)] == [200, 401]


def test_a_body_that_is_streamed_has_the_credential_of_its_request(world: World, latchkey: ResourceServer) -> None:
    application = FastAPI()

    async def parts() -> AsyncIterator[str]:
        yield current_credential.id

    @application.get("/", dependencies=[Depends(latchkey.require_scope())])
    async def stream() -> StreamingResponse:
        return StreamingResponse(parts())

    credential = world.issue("pat")
    assert TestClient(application).get("/", headers=bearer(credential.token)).text == credential.id


def test_without_a_handler_a_refusal_is_an_http_exception_with_the_same_challenge(
    world: World, latchkey: ResourceServer
) -> None:
    application = FastAPI(dependencies=[Depends(latchkey.require_scope(world.read))])
    application.add_api_route("/", show_credential)
    refused = TestClient(application).get("/")
    assert refused.status_code == 401
    expected = f'Bearer resource_metadata="{metadata_url(latchkey.configuration)}"'
    assert refused.headers.get_list("WWW-Authenticate") == [expected]
    assert refused.json()["detail"]["error"] == "unauthorized"


def feeds(world: World, latchkey: ResourceServer) -> list[Starlette]:
    """Return applications with a WebSocket: protected by a dependency, a decorated function, a decorated method."""
    by_dependency, by_decorator = FastAPI(), latchkey.protect(world.read)

    async def feed(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json(show_credential())
        await websocket.close()

    class Feed(WebSocketEndpoint):
        """Show the credential when it is connected."""

        @by_decorator
        async def on_connect(self, websocket: WebSocket) -> None:
            await feed(websocket)

    @by_dependency.websocket("/feed", dependencies=[Depends(latchkey.require_scope(world.read))])
    async def dependent(websocket: WebSocket) -> None:
        await feed(websocket)

    decorated = [Starlette(routes=[WebSocketRoute("/feed", one)]) for one in (by_decorator(feed), Feed)]
    return [by_dependency, *decorated]


def test_a_websocket_is_refused_before_it_is_accepted(world: World, latchkey: ResourceServer) -> None:
    good, narrow = world.issue("pat"), world.issue("pat", scopes=[world.write])
    for application in feeds(world, latchkey):
        http = TestClient(application)
        with http.websocket_connect("/feed", headers=bearer(good.token)) as feed:
            assert feed.receive_json()["id"] == good.id
        for headers, status in ((bearer(narrow.token), 403), ({}, 401), (bearer("garbage"), 401)):
            with pytest.raises(WebSocketDenialResponse) as denied, http.websocket_connect("/feed", headers=headers):
                raise AssertionError("it was accepted")
            assert denied.value.status_code == status and denied.value.headers["WWW-Authenticate"]


def test_a_websocket_of_a_server_without_denials_is_closed_with_a_code(world: World, latchkey: ResourceServer) -> None:
    for application in feeds(world, latchkey):

        async def without_denials(scope: Any, receive: Any, send: Any, inner: Any = application) -> None:
            await inner({name: value for name, value in scope.items() if name != "extensions"}, receive, send)

        http = TestClient(without_denials)
        with pytest.raises(WebSocketDisconnect) as closed, http.websocket_connect("/feed"):
            raise AssertionError("it was accepted")
        assert closed.value.code == 1008


def test_methods_of_an_endpoints_class_and_plain_functions_are_protected(
    world: World, latchkey: ResourceServer
) -> None:
    class Orders(HTTPEndpoint):
        """Show the credential."""

        @latchkey.protect(world.read)
        async def get(self, request: Request) -> JSONResponse:
            return JSONResponse(show_credential())

        @latchkey.protect(world.write)
        def post(self, request: Request) -> JSONResponse:
            return JSONResponse(show_credential())

    def show(request: Request) -> JSONResponse:
        return JSONResponse(show_credential())

    http = TestClient(Starlette(routes=[Route("/", Orders), Route("/plain", latchkey.protect(world.read)(show))]))
    narrow = world.issue("pat", scopes=[world.read])
    for method, path, status in (("GET", "/", 200), ("POST", "/", 403), ("GET", "/plain", 200)):
        assert http.request(method, path, headers=bearer(narrow.token)).status_code == status
        assert http.request(method, path).status_code == 401


def test_what_cannot_be_protected_is_refused_when_it_is_decorated_or_called(latchkey: ResourceServer) -> None:
    with pytest.raises(TypeError, match="HTTPEndpoint is a class: decorate its methods"):
        latchkey.protect()(HTTPEndpoint)

    async def takes_nothing() -> None: ...

    with pytest.raises(TypeError, match="takes a request or a WebSocket"):
        run(latchkey.protect()(takes_nothing)())


def test_a_preflight_is_answered_by_the_frameworks_own_middleware_or_not_at_all(
    world: World, latchkey: ResourceServer
) -> None:
    application, origin = FastAPI(dependencies=[Depends(latchkey.require_scope(world.read))]), "https://site.example"
    application.add_api_route("/", show_credential, methods=["GET", "OPTIONS"])
    preflight = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    assert TestClient(application).options("/", headers=preflight).status_code == 401
    http = TestClient(CORSMiddleware(application, allow_origins=[origin]))
    assert http.options("/", headers=preflight).status_code == 200
    assert http.options("/", headers={"Origin": origin}).status_code == 401
    refused = http.get("/", headers={"Origin": origin})
    assert refused.status_code == 401 and refused.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.spec("RFC 9449 §4.3")
def test_behind_a_trusted_proxy_its_report_of_the_url_and_the_address_counts(
    world: World, latchkey: ResourceServer
) -> None:
    application, prover = FastAPI(), Prover(time.time)
    application.add_api_route("/", show_credential, dependencies=[Depends(latchkey.require_scope())])
    key = world.issue("api_key", allowed_ips=["192.0.2.0/24"]).token
    token = issue_bound_token(world, prover)
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7", "Host": "api.example"}
    proof = {"Authorization": f"DPoP {token}", "DPoP": prover.proof("GET", "https://api.example/v1/", token)}
    for trusted, status in (("127.0.0.1", 200), ("192.0.2.1", 401)):
        options: Json = {"proxy_headers": True, "forwarded_allow_ips": trusted, "root_path": "/v1"}
        with serve_asgi(application, **options) as url, client(url) as http:
            assert http.get("/", headers=bearer(key) | forwarded).status_code == status
            assert http.get("/", headers=proof | forwarded).status_code == status
