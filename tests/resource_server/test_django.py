"""What only Django and its REST framework have: views of classes, CSRF, permissions, `request.user`, settings."""

import time
from typing import Any

import pytest
from django.http import HttpRequest, JsonResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from app.resource_server import Credential, metadata_url
from app.resource_server.django import ResourceServer, configured_server, current_credential, read_request
from app.resource_server.drf import HasScope, LatchkeyAuthentication
from tests.api import Admin, Json
from tests.clients.asynchronous import run
from tests.contract.world import World, create_world
from tests.dpop import Prover
from tests.resource_server.apis import DER, PEM, issue_bound_token, show_credential
from tests.resource_server.django_project import project


@pytest.fixture(scope="module")
def world(admin: Admin) -> World:
    return create_world(admin)


@pytest.fixture(scope="module")
def latchkey(world: World) -> ResourceServer:
    return ResourceServer(world.admin.issuer, world.identifier, *world.resource_server.basic)


@pytest.fixture(scope="module")
def setting(world: World) -> Json:
    identifier, secret = world.resource_server.basic
    named = {"issuer": world.admin.issuer, "resource": world.identifier}
    return {"LATCHKEY": named | {"client_id": identifier, "client_secret": secret}}


def bearer(token: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


def show(request: HttpRequest) -> JsonResponse:
    return JsonResponse(show_credential())


async def show_async(request: HttpRequest) -> JsonResponse:
    return JsonResponse(show_credential())


def test_a_view_needs_no_csrf_token_since_a_browser_never_sends_the_credential_by_itself(
    world: World, latchkey: ResourceServer
) -> None:
    protect = latchkey.require_scope(world.read)

    @method_decorator(protect, name="dispatch")
    class Shown(View):  # type: ignore[misc]
        """Show the credential."""

        def post(self, request: HttpRequest) -> JsonResponse:
            return show(request)

    views = {"sync": protect(show), "async": protect(show_async), "class": Shown.as_view(), "open": show}
    headers = bearer(world.issue("pat").token)
    with project(*(path(name, view) for name, view in views.items())):
        http = Client(enforce_csrf_checks=True)
        for name in ("sync", "async", "class"):
            assert http.post(f"/{name}", **headers).status_code == 200
            assert http.post(f"/{name}").status_code == 401
        assert http.post("/open", **headers).status_code == 403


def test_an_async_view_sees_its_credential_under_wsgi_and_asgi(world: World, latchkey: ResourceServer) -> None:
    credential = world.issue("pat")
    with project(path("", latchkey.require_scope(world.read)(show_async))):
        assert Client().get("/", **bearer(credential.token)).json()["id"] == credential.id

        async def ask() -> Json:
            answer = await AsyncClient().get("/", headers={"Authorization": f"Bearer {credential.token}"})
            seen: Json = answer.json()
            return seen

        assert run(ask())["id"] == credential.id


@pytest.mark.spec("RFC 9449 §4.3")
def test_the_url_of_a_proof_is_the_one_that_django_knows_behind_a_proxy(world: World, latchkey: ResourceServer) -> None:
    prover = Prover(time.time)
    token = issue_bound_token(world, prover)
    trusted = {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"), "USE_X_FORWARDED_HOST": True}
    forwarded = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": "api.example"}
    for settings, status in ((trusted, 200), ({}, 401)):
        proof = prover.proof("GET", "https://api.example/caf%C3%A9", token)
        headers = {"HTTP_AUTHORIZATION": f"DPoP {token}", "HTTP_DPOP": proof}
        with project(path("café", latchkey.require_scope()(show)), **settings):
            assert Client().get("/café?x=1", **headers, **forwarded).status_code == status


@pytest.mark.spec("RFC 9449 §11.1")
def test_a_proof_is_used_once_by_all_guards_of_one_request(world: World, latchkey: ResourceServer) -> None:
    prover = Prover(time.time)
    token = issue_bound_token(world, prover)
    view = latchkey.require_scope(verify="local")(latchkey.require_scope(world.read, verify="introspection")(show))
    proof = {"HTTP_AUTHORIZATION": f"DPoP {token}", "HTTP_DPOP": prover.proof("GET", "http://testserver/", token)}
    with project(path("", view)):
        assert [Client().get("/", **proof).status_code for _ in range(2)] == [200, 401]


def test_a_certificate_is_that_of_the_server_or_of_the_header_that_is_configured() -> None:
    plain = ResourceServer("http://127.0.0.1:9", "urn:a", "id", "secret")
    behind_proxy = ResourceServer("http://127.0.0.1:9", "urn:a", "id", "secret", certificate_header="Client-Cert")
    for values, server, expected in (
        ({"SSL_CLIENT_CERT": PEM}, plain, DER),
        ({"SSL_CLIENT_CERT": PEM}, behind_proxy, None),
        ({"HTTP_CLIENT_CERT": PEM}, plain, None),
        ({"HTTP_CLIENT_CERT": PEM}, behind_proxy, DER),
    ):
        assert read_request(RequestFactory().get("/", **values), server.configuration).certificate == expected
    by_asgi = AsyncRequestFactory().get("/")
    by_asgi.scope["extensions"] = {"tls": {"client_cert_chain": [PEM]}}
    assert read_request(by_asgi, plain.configuration).certificate == DER
    assert read_request(by_asgi, behind_proxy.configuration).certificate is None


def test_the_server_of_the_setting_is_made_once_and_again_when_it_changes(setting: Json) -> None:
    with project(**setting):
        first = configured_server()
        assert configured_server() is first
    with project(LATCHKEY=setting["LATCHKEY"] | {"resource": "urn:other"}):
        assert configured_server().configuration.resource == "urn:other"


# --- Django REST framework


class Shown(APIView):  # type: ignore[misc]
    """Show the caller."""

    def get(self, request: Any) -> Response:
        user, auth = request.user, request.auth
        named = {"pk": user.pk, "name": user.get_username(), "text": str(user)} if user else {}
        assert auth is None or (isinstance(auth, Credential) and user.credential is auth)
        assert auth is None or (user.is_authenticated and not user.is_anonymous and not user.is_staff)
        return Response(named | show_credential())


def view_of(*permissions: Any) -> Any:
    return Shown.as_view(permission_classes=permissions)


class Nobody(BasePermission):  # type: ignore[misc]
    """Allow nobody."""

    def has_permission(self, request: Any, view: Any) -> bool:
        """Return no."""
        return False


def test_the_user_of_a_request_is_its_caller(world: World, setting: Json) -> None:
    with project(path("", view_of(IsAuthenticated)), **setting):
        pat, key, machine = (world.issue(kind) for kind in ("pat", "api_key", "m2m"))
        seen = [Client().get("/", **bearer(one.token)).json() for one in (pat, key, machine)]
    assert [one["id"] for one in seen] == [pat.id, key.id, machine.id]
    assert [one["pk"] for one in seen] == [world.user.id, key.id, world.client.client_id]
    assert [one["name"] for one in seen] == [world.user.username, key.id, world.client.client_id]
    assert [one["text"] for one in seen] == [one["name"] for one in seen]


def test_an_anonymous_request_is_challenged_by_every_permission(world: World, setting: Json) -> None:
    permissions = {"scope": HasScope(world.read), "framework": IsAuthenticated}
    with project(*(path(name, view_of(one)) for name, one in permissions.items()), **setting):
        for name in permissions:
            for method in ("get", "post", "options", "head"):
                refused = getattr(Client(), method)(f"/{name}")
                assert refused.status_code == 401
                expected = f'Bearer resource_metadata="{metadata_url(configured_server().configuration)}"'
                assert refused.headers["WWW-Authenticate"] == expected


def test_a_view_for_everybody_refuses_a_bad_credential_and_shows_none_without_one(world: World, setting: Json) -> None:
    with project(path("", view_of(AllowAny)), **setting):
        assert Client().get("/").json() == {"kind": None}
        refused = Client().get("/", **bearer("garbage"))
        assert refused.status_code == 401 and 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
        assert refused.json()["error"] == "invalid_token"


def test_a_permission_composes_with_others(world: World, setting: Json) -> None:
    reads, writes = HasScope(world.read), HasScope(world.write)
    cases: dict[str, tuple[Any, int]] = {
        "either": (writes | reads, 200),
        "either-way": ((Nobody | writes) | reads, 200),
        "neither": (writes | Nobody, 403),
        "both": (reads & writes, 403),
        "not": (reads & ~writes, 200),
    }
    token = world.issue("pat", scopes=[world.read]).token
    with project(*(path(name, view_of(one)) for name, (one, _) in cases.items()), **setting):
        for name, (_, status) in cases.items():
            assert Client().get(f"/{name}", **bearer(token)).status_code == status, name
            assert Client().get(f"/{name}").status_code == 401, name


def test_a_view_that_is_a_function_is_protected(world: World, setting: Json) -> None:
    @api_view(["GET"])  # type: ignore[untyped-decorator]
    @permission_classes([HasScope(world.read)])  # type: ignore[untyped-decorator]
    def orders(request: Any) -> Response:
        return Response({"id": current_credential.id})

    credential = world.issue("pat")
    with project(path("", orders), **setting):
        assert Client().get("/", **bearer(credential.token)).json() == {"id": credential.id}


def test_callers_are_throttled_apart(world: World, setting: Json) -> None:
    class Once(UserRateThrottle):  # type: ignore[misc]
        """Allow one request a day."""

        rate = "1/day"

    with project(path("", Shown.as_view(throttle_classes=[Once])), **setting):
        tokens = [world.issue("api_key").token for _ in range(2)]
        statuses = [Client().get("/", **bearer(token)).status_code for token in tokens * 2]
    assert statuses == [200, 200, 429, 429]


def test_a_permission_without_the_authentication_lets_nobody_in(world: World, setting: Json) -> None:
    view = Shown.as_view(permission_classes=[HasScope(world.read)], authentication_classes=[])
    with project(path("", view), **setting):
        assert Client().get("/", **bearer(world.issue("pat").token)).status_code == 403


def test_no_credential_is_left_in_the_thread_of_a_request(world: World, setting: Json) -> None:
    with project(path("", view_of(AllowAny)), path("open", show), **setting):
        assert Client().get("/", **bearer(world.issue("pat").token)).json()["id"]
        assert show_credential() == {"kind": None}
        assert Client().get("/open").json() == {"kind": None}


def test_a_class_chooses_its_server_and_how_it_verifies(world: World, latchkey: ResourceServer) -> None:
    class Chosen(LatchkeyAuthentication):
        """Verify by another server than that of the setting."""

        resource_server = latchkey
        verify = "local"

    with project(path("", Shown.as_view(authentication_classes=[Chosen]))):
        assert Client().get("/", **bearer(world.issue("m2m").token)).status_code == 200
