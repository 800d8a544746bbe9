"""The OAuth endpoints of an application in this process, and functions to call them."""

import base64
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from flask.testing import FlaskClient
from sqlalchemy import update

from app import create_app
from app.database.types import new_id
from app.maintenance.bootstrap import PERMISSIONS
from app.models import Client, ClientServes, Resource
from app.settings.settings import Settings
from tests.core import ISSUER, ORDERS, STOCK, Core, MutableClock
from tests.databases import chosen, database_in
from tests.templates import STORED, create_tables, template_folder

OWN = f"{ISSUER}/api/v1"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ANY_TYPE = "urn:ietf:params:oauth:token-type:access_token"
BASE = {"issuer": ISSUER, "secret_key": "k" * 40, "rate_limits": "off"}
GRANT = {"grant_type": "client_credentials"}
ORDERS_SCOPES = ("orders:read", "orders:write", "orders:list")  # the last is public
Pair = tuple[str, str]
_serial = itertools.count(1)


@dataclass
class Wire:
    """The application; `robot` may all, `shop` serves the orders, `keyed` authenticates by `key`."""

    core: Core
    http: FlaskClient
    robot: Pair
    shop: Pair
    stockist: Pair
    key: ec.EllipticCurvePrivateKey
    bearer: str = field(repr=False)  # a token of scope introspect

    def post(self, endpoint: str, form: Any, auth: Pair | str | None = None, **options: Any) -> Any:
        """POST to /oauth/{endpoint}; `auth` is a pair for Basic, or a Bearer token."""
        headers = dict(options.pop("headers", {}))
        if isinstance(auth, str):
            headers["Authorization"] = f"Bearer {auth}"
        elif auth is not None:
            headers["Authorization"] = basic(*auth)
        return self.http.post(f"/oauth/{endpoint}", data=form, headers=headers, **options)

    def token(self, auth: Any = None, **form: Any) -> Any:
        """Request a client-credentials token, by default for the orders."""
        return self.post("token", GRANT | {"resource": ORDERS} | form, auth)

    def exchange(self, token: str, auth: Any = None, **form: Any) -> Any:
        """Exchange an opaque credential for a JWT."""
        asked = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ANY_TYPE}
        return self.post("token", asked | form, auth)

    def introspect(self, token: str, auth: Pair | str | None = None, **form: Any) -> Any:
        """Introspect, by default as the Bearer that sees all; asserts 200 and gives the JSON."""
        response = self.post("introspect", {"token": token} | form, auth or self.bearer)
        assert response.status_code == 200, response.text
        return response.json

    def revoke(self, token: str, auth: Pair | None = None, **form: Any) -> Any:
        """Present a credential for revocation."""
        return self.post("revoke", {"token": token} | form, auth)

    def ask(self, query: Any = None, peer: Any = "127.0.0.1", **headers: str) -> Any:
        """Call forward-auth as a gateway at `peer`; `headers` with _ for -."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = {"resource": ORDERS} | (query or {})
        return self.http.get(
            "/oauth/forward-auth", query_string=asked, headers=sent, environ_base={"REMOTE_ADDR": peer}
        )

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Return the claims of a good assertion; a claim that is None is left out."""
        now = int(self.core.clock().timestamp())
        good = {"iss": "keyed", "sub": "keyed", "aud": ISSUER, "exp": now + 60, "jti": f"jti-{next(_serial)}"}
        return {name: value for name, value in (good | changed).items() if value is not None}

    def assertion(self, _header: Any = None, **changed: Any) -> Any:
        """Return the parameters of a signed assertion."""
        signed = jwt.encode(self.claims(**changed), self.key, "ES256", {"kid": "k1"} | (_header or {}))
        return asserted(signed)


def start_wire(folder: Path, **settings: Any) -> Wire:
    """Make the application on a database of its own, a copy if the settings allow it."""
    if STORED & settings.keys():
        return _furnish(*_start(folder, BASE | settings, create_tables))
    template = _template(chosen())
    core, http = _start(folder, BASE | settings, template.core.database.copy_to)
    return replace(template, core=replace(core, _rows=dict(template.core._rows)), http=http)


@cache
def _template(database: str) -> Wire:
    """Return a wire to copy, on a kind of database."""
    made = _furnish(*_start(template_folder(), BASE, create_tables))
    stop_wire(made)
    return made


def _furnish(core: Core, http: FlaskClient) -> Wire:
    with core.store.transaction() as session:
        core.actions.signing_keys.ensure(session, core.clock())
    management, everything = core.actions.settings.management_identifier, (*ORDERS_SCOPES, "stock:read")
    core.resource(management, *PERMISSIONS)
    with core.store.transaction() as session:
        session.execute(update(Resource).values(built_in=True))
    core.resource(ORDERS, *ORDERS_SCOPES[:2], public=ORDERS_SCOPES[2:])
    core.resource(STOCK, "stock:read", ttl=600)
    core.role("worker", "machine", *everything)
    core.role("clerk", "user", *everything)
    core.user("alice", "clerk")
    core.role("asker", "machine", "introspect")
    for name, roles in {"robot": ["worker"], "shop": [], "stockist": [], "auditor": ["asker"]}.items():
        core.client(name, *roles)
    serve(core, "shop", ORDERS)
    serve(core, "stockist", STOCK)
    key = ec.generate_private_key(ec.SECP256R1())
    keyed(core, "keyed", {"keys": [public_jwk(key, "k1")]})
    core.assign("keyed", "worker")
    robot, shop, stockist = ((name, core.client_secret(name)) for name in ("robot", "shop", "stockist"))
    return Wire(core, http, robot, shop, stockist, key, core.m2m("auditor", "introspect", management))


def _start(folder: Path, settings: dict[str, Any], fill: Callable[[Path], None]) -> tuple[Core, FlaskClient]:
    fill(folder)
    database, clock = database_in(folder), MutableClock()
    app = create_app(Settings(instance_dir=folder, **database.settings, **settings), clock)
    return Core(app.actions, clock, database), app.test_client()


def stop_wire(wire: Wire) -> None:
    """Close the database."""
    wire.core.actions.usage.stop()
    wire.core.store.dispose()


def keyed(core: Core, name: str, jwks: Any = None, jwks_uri: str | None = None) -> None:
    """Make a client that authenticates by private_key_jwt."""
    row = Client(id=new_id("cli"), client_id=name, name=name, created_at=core.clock())
    row.token_endpoint_auth_method, row.jwks, row.jwks_uri = "private_key_jwt", jwks, jwks_uri
    core._add(name, row)


def serve(core: Core, client: str, identifier: str) -> None:
    """Make a client the resource server of a resource."""
    with core.store.transaction() as session:
        session.add(ClientServes(client_id=core.row_id(client), resource_id=core.row_id(identifier)))


def public_jwk(key: ec.EllipticCurvePrivateKey, kid: str) -> dict[str, str]:
    """Return the public JWK of an EC key."""
    jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    return {name: jwk[name] for name in ("kty", "crv", "x", "y")} | {"kid": kid}


def asserted(assertion: str) -> Any:
    """Return the two parameters of private_key_jwt."""
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}


def basic(client_id: str | bytes, secret: str | bytes = "") -> str:
    """Return an Authorization header of scheme Basic."""
    both = [part if isinstance(part, bytes) else part.encode() for part in (client_id, secret)]
    return "Basic " + base64.b64encode(b":".join(both)).decode()


def b64(value: Any) -> str:
    """Return a part of a compact JWT: bytes as they are, all else as JSON."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def refused(response: Any, status: int, error: str) -> str:
    """Assert a clean refusal of section 3 and give its description."""
    assert response.status_code == status, f"{response.status_code} {response.text}"
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store" and response.headers["Pragma"] == "no-cache"
    body = response.json or {}
    assert body["error"] == error and set(body) == {"error", "error_description"}
    assert all(0x20 <= ord(c) <= 0x7E and c not in '"\\' for c in body["error_description"])
    return str(body["error_description"])


__all__ = ["ISSUER", "ORDERS", "OWN", "STOCK", "Wire"]
