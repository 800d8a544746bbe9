"""RFC 7523 with `jwks_uri`: the keys are fetched from the client, within limits."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.api import Admin, Client, expect
from tests.contract.refusals import oauth_error
from tests.spec.client_keys import Key, assertion, claims, new_key

GRANT = {"grant_type": "client_credentials"}


class KeyHost:
    """A host of one document on loopback; `asked` counts the requests for it."""

    def __init__(self) -> None:
        self.document: bytes = b"{}"
        self.asked = 0
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.asked += 1
                self.send_response(302 if self.path == "/redirect" else 200)
                if self.path == "/redirect":
                    self.send_header("Location", "/keys")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(host.document)))
                self.end_headers()
                self.wfile.write(host.document)

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def publish(self, *keys: Key) -> None:
        """Host the public parts of these keys."""
        self.document = json.dumps({"keys": [key.public for key in keys]}).encode()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def host() -> Iterator[KeyHost]:
    """A host of keys on loopback."""
    hosting = KeyHost()
    yield hosting
    hosting.close()


def registered(admin: Admin, uri: str) -> Client:
    role = admin.role("machine", ["roles:read"])
    return admin.client([role], token_endpoint_auth_method="private_key_jwt", jwks_uri=uri)


@pytest.mark.spec("RFC 7523 §3")
def test_keys_are_fetched_where_private_addresses_are_allowed(configured: Admin, host: KeyHost) -> None:
    admin, key, successor = configured, new_key("ES256"), new_key("EdDSA")
    host.publish(key)
    client = registered(admin, f"{host.url}/keys")
    for _ in range(3):
        expect(200, admin.token_request(GRANT | assertion(key.sign(claims(client, admin.issuer)))))
    assert host.asked == 1  # the document is kept for a while

    host.publish(successor)  # an unknown kid is reason enough to fetch again
    other = registered(admin, f"{host.url}/other")
    expect(200, admin.token_request(GRANT | assertion(successor.sign(claims(other, admin.issuer)))))

    for document in (b"x" * 5_000_000, b"not json", b"[]", b'{"keys": 7}', b'{"keys": [7, null, {}]}', b"\xff"):
        host.document = document
        broken = registered(admin, f"{host.url}/{len(document)}{document[:1].hex()}")
        answer = admin.token_request(GRANT | assertion(key.sign(claims(broken, admin.issuer))))
        oauth_error(answer, 401, "invalid_client")


@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0", "2130706433"])
def test_a_private_address_is_never_asked_otherwise(admin: Admin, host: KeyHost, name: str) -> None:
    key = new_key("ES256")
    host.publish(key)
    for scheme in ("http", "https"):
        uri = f"{scheme}://{name}:{host.url.rpartition(':')[2]}/keys"
        body = {"name": "inward", "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri}
        made = admin.post("/clients", body)
        if made.status_code == 201:
            client = Client(made.json()["id"], made.json()["client_id"], "")
            answer = admin.token_request(GRANT | assertion(key.sign(claims(client, admin.issuer))))
            oauth_error(answer, 401, "invalid_client")
        else:
            expect(422, made)
    assert host.asked == 0


@pytest.mark.spec("RFC 7523 §3")
def test_a_client_has_jwks_or_jwks_uri_or_a_secret(admin: Admin) -> None:
    key, method = new_key("ES256"), {"name": "one of them", "token_endpoint_auth_method": "private_key_jwt"}
    expect(422, admin.post("/clients", method))
    both = {"jwks": {"keys": [key.public]}, "jwks_uri": "https://keys.example/jwks.json"}
    expect(422, admin.post("/clients", method | both))
    for uri in ("ftp://keys.example/", "file:///etc/passwd", "nonsense", ""):
        expect(422, admin.post("/clients", method | {"jwks_uri": uri}))
