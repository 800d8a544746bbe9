"""A small client of a live server: it makes resources, roles, users, clients and credentials, and verifies them."""

import itertools
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx

from tests.live import LiveServer, client

Json = dict[str, Any]
_serial = itertools.count(1)


def unique(prefix: str) -> str:
    """Return a name that no object of this run has: `prefix-…`."""
    return f"{prefix}-{secrets.token_hex(4)}{next(_serial)}"


@dataclass(frozen=True)
class User:
    """A user and the password it was made with."""

    id: str
    username: str
    password: str = field(repr=False)

    @property
    def basic(self) -> tuple[str, str]:
        """The pair for httpx' `auth`, as /api/v1/me takes it."""
        return self.username, self.password


@dataclass(frozen=True)
class Client:
    """A client and its first secret (empty for private_key_jwt)."""

    id: str
    client_id: str
    client_secret: str = field(repr=False)

    @property
    def basic(self) -> tuple[str, str]:
        """The pair for httpx' `auth`: client_secret_basic. Ours need no form-encoding, as httpx does none."""
        return self.client_id, self.client_secret


class Admin:
    """Acts as the bootstrap client, with scope `manage`. Its methods assert success and return the answer's JSON;
    `get`, `post`, `patch` and `delete` under /api/v1 return the response as it is."""

    def __init__(self, server: LiveServer) -> None:
        """Take a running server, and send no request yet."""
        self.server = server
        self.issuer = server.issuer
        self.identifier = f"{self.issuer}/api/v1"
        self.http = client(server.url)
        bootstrap = server.bootstrap
        self.bootstrap_client = Client("", bootstrap["client_id"], bootstrap["client_secret"])
        self.administrator = User("", bootstrap["admin_username"], bootstrap["admin_password"])
        self._token, self._token_ends = "", 0.0

    def token(self) -> str:
        """Return an M2M token with scope `manage`; request another one shortly before it expires."""
        if time.monotonic() > self._token_ends - 30:
            answer = self.grant(self.bootstrap_client, scope="manage", resource=self.identifier)
            self._token, self._token_ends = answer["access_token"], time.monotonic() + answer["expires_in"]
        return self._token

    def forget_token(self) -> None:
        """Ask for another token at the next use: the signing key of this one was revoked."""
        self._token_ends = 0.0

    # --- the management API, as it answers

    def request(self, method: str, path: str, *, auth: object = None, **options: Any) -> httpx.Response:
        """Call `/api/v1{path}`. `auth`: None is this admin's token, a string another Bearer token, a pair is Basic,
        False sends nothing. `options` are httpx'."""
        headers = dict(options.pop("headers", {}))
        if auth is None or isinstance(auth, str):
            headers["Authorization"] = f"Bearer {self.token() if auth is None else auth}"
        basic = auth if isinstance(auth, tuple) else None
        return self.http.request(method, f"/api/v1{path}", headers=headers, auth=basic, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET `/api/v1{path}`; see `request`."""
        return self.request("GET", path, **options)

    def post(self, path: str, body: object = None, **options: Any) -> httpx.Response:
        """POST `body` as JSON to `/api/v1{path}`; see `request`."""
        return self.request("POST", path, json=body, **options)

    def patch(self, path: str, body: object = None, **options: Any) -> httpx.Response:
        """PATCH `/api/v1{path}` with `body` as JSON; see `request`."""
        return self.request("PATCH", path, json=body, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        """DELETE `/api/v1{path}`; see `request`."""
        return self.request("DELETE", path, **options)

    def create(self, path: str, body: Mapping[str, object], **options: Any) -> Json:
        """POST and return the created object; assert 201 and a Location."""
        response = self.post(path, dict(body), **options)
        assert response.status_code == 201, f"{response.status_code} {response.text}"
        assert response.headers["Location"]
        return _json(response)

    def change(self, path: str, body: Mapping[str, object], **options: Any) -> Json:
        """PATCH and return the changed object; assert 200."""
        return _json(expect(200, self.patch(path, dict(body), **options)))

    def remove(self, path: str, **options: Any) -> None:
        """DELETE; assert 204."""
        expect(204, self.delete(path, **options))

    # --- things of section 2

    def resource(self, *, permissions: Iterable[str | Json] = (), public: Iterable[str] = (), **fields: object) -> Json:
        """Make an API resource with an identifier of its own. `permissions` are scope names (or whole objects),
        `public` the names of public ones; `fields` override the rest."""
        name = unique("api")
        listed = [p if isinstance(p, dict) else permission(p) for p in permissions]
        listed += [permission(p, public=True) for p in public]
        body = {"identifier": f"https://{name}.example/", "name": name, "permissions": listed}
        return self.create("/resources", body | fields)

    def role(self, type: Literal["user", "machine"], permissions: Iterable[str] = (), **fields: object) -> Json:
        """Make a role of that type with those permissions."""
        body = {"name": unique("role"), "description": "", "type": type, "permissions": list(permissions)}
        return self.create("/roles", body | fields)

    def user(self, roles: Iterable[str | Json] = (), **fields: object) -> User:
        """Make a user with those roles (names, or what `role` gave)."""
        name, password = unique("user"), secrets.token_urlsafe(18)
        body = {"username": name, "email": f"{name}@example.com", "password": password, "roles": _names(roles)} | fields
        made = self.create("/users", body)
        return User(made["id"], made["username"], str(body["password"]))

    def client(self, roles: Iterable[str | Json] = (), serves: Iterable[str | Json] = (), **fields: object) -> Client:
        """Make a client with those roles, serving those resources (identifiers, or what `resource` gave)."""
        served = [r if isinstance(r, str) else r["identifier"] for r in serves]
        made = self.create("/clients", {"name": unique("client"), "roles": _names(roles), "serves": served} | fields)
        return Client(made["id"], made["client_id"], made.get("client_secret") or "")

    # --- the three kinds

    def pat(self, user: User, scopes: Iterable[str], **fields: object) -> Json:
        """Make a personal access token as its user does, with HTTP Basic; the secret is in `token`."""
        body = {"name": unique("pat"), "scopes": list(scopes)} | fields
        return self.create("/me/personal-access-tokens", body, auth=user.basic)

    def api_key(self, resource: str | Json, scopes: Iterable[str] | None = None, **fields: object) -> Json:
        """Make an API key of that resource (identifier, or what `resource` gave); the secret is in `key`."""
        body: Json = {"name": unique("key"), "resource": _identifier(resource)}
        if scopes is not None:
            body["scopes"] = list(scopes)
        return self.create("/api-keys", body | fields)

    def grant(self, as_client: Client, **parameters: Any) -> Json:
        """Get an M2M token by client credentials (`scope=…`, `resource=…` or a list); it is in `access_token`."""
        return _json(expect(200, self.token_request({"grant_type": "client_credentials"} | parameters, as_client)))

    def m2m(self, as_client: Client, **parameters: Any) -> str:
        """Return the bare M2M token that `grant` gets."""
        return str(self.grant(as_client, **parameters)["access_token"])

    # --- the OAuth endpoints

    def token_request(self, form: Mapping[str, Any], as_client: Client | None = None, **options: Any) -> httpx.Response:
        """POST `form` to /oauth/token, by client_secret_basic when `as_client` is given."""
        return self.http.post("/oauth/token", data=form, auth=_basic(as_client), **options)

    def introspect(self, token: str, as_client: Client | None = None, **parameters: str) -> Json:
        """Introspect as `as_client` (Basic), else as this admin (Bearer); assert 200 and return the JSON."""
        form, url = {"token": token} | parameters, "/oauth/introspect"
        if as_client:
            return _json(expect(200, self.http.post(url, data=form, auth=as_client.basic)))
        return _json(expect(200, self.http.post(url, data=form, headers={"Authorization": f"Bearer {self.token()}"})))

    def active(self, token: str, as_client: Client | None = None, **parameters: str) -> bool:
        """Return whether the token is active; assert that an inactive one has no further claims."""
        answer = self.introspect(token, as_client, **parameters)
        assert answer["active"] is True or answer == {"active": False}, answer
        return bool(answer["active"])

    def revoke(self, token: str, as_client: Client | None = None, **parameters: str) -> httpx.Response:
        """POST to /oauth/revoke, as `as_client` when given; return the response as it is."""
        return self.http.post("/oauth/revoke", data={"token": token} | parameters, auth=_basic(as_client))

    def exchange(self, token: str, kind: str, as_client: Client | None = None, **parameters: Any) -> httpx.Response:
        """Ask for a JWT for a PAT or an API key; `kind` is the end of our URN, or a whole token type URN."""
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": token,
            "subject_token_type": kind if kind.startswith("urn:") else f"urn:latchkey:token-type:{kind}",
        }
        return self.token_request(form | parameters, as_client)

    def forward_auth(
        self,
        token: str | None,
        resource: str | Json,
        scope: str | None = None,
        *,
        how: Literal["bearer", "x-api-key", "basic"] = "bearer",
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        **query: str,
    ) -> httpx.Response:
        """Call /oauth/forward-auth as a gateway does, with the credential sent in one of three ways."""
        asked = {"resource": _identifier(resource)} | ({"scope": scope} if scope is not None else {}) | query
        sent, auth = dict(headers or {}), None
        if token is not None and how == "basic":
            auth = ("x", token)
        elif token is not None:
            sent |= {"Authorization": f"Bearer {token}"} if how == "bearer" else {"X-API-Key": token}
        return self.http.request(method, "/oauth/forward-auth", params=asked, headers=sent, auth=auth)


def permission(name: str, *, public: bool = False, description: str = "") -> Json:
    """Return a permission as the API takes it."""
    return {"name": name, "description": description, "public": public}


def expect(status: int, response: httpx.Response) -> httpx.Response:
    """Return the response if it has that status; otherwise the error shows its body."""
    assert response.status_code == status, f"{response.status_code} {response.text[:1000]}"
    return response


def _json(response: httpx.Response) -> Json:
    answer = response.json()
    assert isinstance(answer, dict)
    return answer


def _basic(as_client: Client | None) -> httpx.Auth:
    return httpx.BasicAuth(*as_client.basic) if as_client else httpx.Auth()  # sends nothing


def _names(roles: Iterable[str | Json]) -> list[str]:
    return [role if isinstance(role, str) else role["name"] for role in roles]


def _identifier(resource: str | Json) -> str:
    return resource if isinstance(resource, str) else str(resource["identifier"])


@contextmanager
def administrator(folder: Path, settings: Mapping[str, str] | None = None, workers: int = 1) -> Iterator[Admin]:
    """Start a server in a folder of its own, and yield its administrator."""
    live = LiveServer(folder / "instance", settings, workers).start()
    acting = Admin(live)
    yield acting
    acting.http.close()
    live.stop()
