"""The Flask adapter: the decorator, the metadata of the resource, and the credential of one request at a time."""

import httpx
import pytest
from flask import Flask, current_app
from flask.testing import FlaskClient

from app.resource_server import Guard, current_credential
from app.resource_server.flask import ResourceServer
from tests.resource_server.fake_server import ISSUER, RESOURCE, FakeServer

METADATA = "/.well-known/oauth-protected-resource"


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def latchkey(server: FakeServer) -> ResourceServer:
    made = ResourceServer(ISSUER, RESOURCE, verify="local", background=False, now=server.clock, scopes_supported=["a"])
    made.guard = Guard(made.configuration, httpx.Client(transport=httpx.MockTransport(server)))
    return made


@pytest.fixture
def api(latchkey: ResourceServer) -> FlaskClient:
    app = Flask("api")
    latchkey.init_app(app)

    @app.route("/orders/<int:number>", methods=["GET", "POST"])
    @latchkey.require_scope("orders:read")
    def order(number: int) -> dict[str, str | int]:
        """Show an order."""
        return {"number": number, "for": current_credential.id, "app": current_app.name}

    @app.get("/failing")
    @latchkey.require_scope("orders:read")
    def fail() -> str:
        raise KeyError("failing")

    @app.get("/written")
    @latchkey.require_scope("orders:write")
    def write() -> str:
        return "written"

    @app.get("/open")
    def show() -> str:
        return repr(current_credential)

    assert order.__doc__ == "Show an order." and order.__name__ == "order"
    return app.test_client()


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_view_gets_its_arguments_and_the_credential(server: FakeServer, api: FlaskClient) -> None:
    for call in (api.get, api.post):
        seen = call("/orders/7", headers=headers(server.token()))
        assert (seen.status_code, seen.json) == (200, {"number": 7, "for": "t", "app": "api"})


def test_a_refusal_is_json_with_its_challenge(server: FakeServer, api: FlaskClient) -> None:
    refused = api.get("/written", headers=headers(server.token()))
    assert (refused.status_code, refused.mimetype) == (403, "application/json")
    assert refused.json is not None and refused.json["error"] == "insufficient_scope"
    about = f'scope="orders:write", resource_metadata="{RESOURCE}{METADATA}"'
    assert refused.headers.getlist("WWW-Authenticate") == [f'Bearer error="insufficient_scope", {about}']
    assert refused.headers.getlist("Content-Type") == ["application/json"]


def test_the_credential_ends_with_its_request(server: FakeServer, api: FlaskClient) -> None:
    assert api.get("/orders/7", headers=headers(server.token())).status_code == 200
    assert api.get("/open").text == "None"
    api.application.config["PROPAGATE_EXCEPTIONS"] = False
    assert api.get("/failing", headers=headers(server.token())).status_code == 500
    assert api.get("/open", headers=headers(server.token())).text == "None"


@pytest.mark.spec("RFC 9728 §3.2")
def test_the_metadata_is_served_to_everybody(api: FlaskClient) -> None:
    served = api.get(METADATA)
    assert served.status_code == 200 and served.json is not None
    assert (served.json["resource"], served.json["authorization_servers"]) == (RESOURCE, [ISSUER])
    assert served.json["scopes_supported"] == ["a"]


def test_a_certificate_comes_from_the_server_or_from_the_header_that_is_configured(server: FakeServer) -> None:
    app, pem = Flask("api"), "-----BEGIN CERTIFICATE-----\nY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----"
    sent = {"ClientCert": ":Y2VydGlmaWNhdGU=:"}
    for header, expected in (("", (b"certificate", None)), ("ClientCert", (None, b"certificate"))):
        latchkey = ResourceServer(ISSUER, RESOURCE, verify="local", certificate_header=header)
        with app.test_request_context(environ_overrides={"SSL_CLIENT_CERT": pem}):
            by_server = latchkey._read_request().certificate
        with app.test_request_context(headers=sent):
            by_header = latchkey._read_request().certificate
        assert (by_server, by_header) == expected


def test_what_cannot_work_is_refused_when_the_route_is_made(latchkey: ResourceServer) -> None:
    with pytest.raises(ValueError, match="needs a client_id"):
        latchkey.require_scope("orders:read", verify="introspection")
