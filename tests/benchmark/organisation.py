"""The rows of a made-up organisation of a given size, with the secrets that open them. Nothing here does I/O."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar

from app.crypto.opaque import Prefix, digest, hint, mint
from app.database.types import new_id
from app.models.auth_methods import NONE
from app.models.grant_types import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REFRESH_TOKEN

Row = dict[str, Any]
T = TypeVar("T")
ORDERS = "https://orders.example"  # the resource of every measured credential
SCOPES = ("orders:read", "orders:write")
RESOURCES = 10
PERMISSIONS = 8  # of each resource; the first two are public
DAY = timedelta(days=1)
APP_OF_GRANTS, APP_OF_CODES = "app-of-grants", "app-of-codes"  # their public ids
VERIFIER = "v" * 43  # of every code (RFC 7636 §4.1)
MOST_ONCE = 20_000
TOKEN_LIFETIME = 86_400  # seconds; the longest lifetime, so that a cached file of JWTs is valid for a day


@dataclass(frozen=True, slots=True)
class Proportions:
    """The number of each object for a number of credentials: half of them PATs, half API keys."""

    credentials: int

    @property
    def tokens(self) -> int:
        """Personal access tokens."""
        return self.credentials // 2

    @property
    def keys(self) -> int:
        """API keys."""
        return self.credentials - self.tokens

    @property
    def users(self) -> int:
        """Five tokens a user."""
        return max(1, self.credentials // 10)

    @property
    def clients(self) -> int:
        """10 with a thousand credentials, 10,000 with a million."""
        return max(2, self.credentials // 100)

    @property
    def once(self) -> int:
        """Codes, and refresh tokens, each of which a run uses once; a user has at most 100 grants of an app."""
        return min(MOST_ONCE, 10 * self.credentials)

    @property
    def roles(self) -> int:
        """Of each type."""
        return max(2, self.credentials // 1000)


class Sample:
    """Keeps at most `wanted` of the secrets that pass, evenly spread."""

    def __init__(self, passing: int, wanted: int) -> None:
        self._every = max(1, -(-passing // wanted))
        self._passed = 0
        self.kept: list[str] = []

    def see(self, secret: str) -> None:
        """Keep every nth secret."""
        if self._passed % self._every == 0:
            self.kept.append(secret)
        self._passed += 1


@dataclass
class Organisation:
    """Generators of rows, one for each table, in the order of their foreign keys; the samples keep minted secrets."""

    proportions: Proportions
    wanted: int  # secrets of each kind that are kept for the load
    at: datetime
    pats: Sample = field(init=False)
    api_keys: Sample = field(init=False)
    clients_basic: Sample = field(init=False)
    client_ids: list[tuple[str, str]] = field(init=False, default_factory=list)  # row id, public id
    server_basic: str = field(init=False, default="", repr=False)  # of the resource server that introspects

    def __post_init__(self) -> None:
        self.pats = Sample(self.proportions.tokens, self.wanted)
        self.api_keys = Sample(self.proportions.keys, self.wanted)
        self.clients_basic = Sample(self.proportions.clients, self.wanted)
        self.resource_ids = [new_id("res") for _ in range(RESOURCES)]
        self.permission_ids = [[new_id("per") for _ in range(PERMISSIONS)] for _ in range(RESOURCES)]
        self.user_roles = [new_id("role") for _ in range(self.proportions.roles)]
        self.machine_roles = [new_id("role") for _ in range(self.proportions.roles)]
        self.user_ids = [new_id("user") for _ in range(self.proportions.users)]

    def resources(self) -> Iterator[Row]:
        """Yield the orders API and nine others."""
        for i, row_id in enumerate(self.resource_ids):
            identifier = ORDERS if i == 0 else f"https://api-{i}.example"
            yield {"id": row_id, "identifier": identifier, "name": f"API {i}", "built_in": False,
                   "access_token_ttl": TOKEN_LIFETIME, "created_at": self.at}  # fmt: skip

    def permissions(self) -> Iterator[Row]:
        """Yield eight permissions a resource; the first ones of the orders API are SCOPES."""
        names = [*SCOPES, *(f"orders:{i}" for i in range(2, PERMISSIONS))]
        for i, ids in enumerate(self.permission_ids):
            for j, row_id in enumerate(ids):
                name = names[j] if i == 0 else f"api-{i}:{j}"
                yield {"id": row_id, "resource_id": self.resource_ids[i], "name": name, "public": j < 2}

    def roles(self) -> Iterator[Row]:
        """Yield the user roles and the machine roles."""
        for kind, ids in (("user", self.user_roles), ("machine", self.machine_roles)):
            for i, row_id in enumerate(ids):
                yield {"id": row_id, "name": f"{kind}-role-{i}", "type": kind, "created_at": self.at}

    def role_permissions(self) -> Iterator[Row]:
        """Yield, for each role, the scopes of the orders API and four permissions of another API."""
        for ids in (self.user_roles, self.machine_roles):
            for i, role_id in enumerate(ids):
                for permission in (*self.permission_ids[0][:2], *self.permission_ids[1 + i % (RESOURCES - 1)][:4]):
                    yield {"role_id": role_id, "permission_id": permission}

    def users(self) -> Iterator[Row]:
        """Yield users without a password."""
        for i, row_id in enumerate(self.user_ids):
            yield {"id": row_id, "username": f"user-{i}", "email": f"user-{i}@bench.example", "created_at": self.at}

    def user_role_rows(self) -> Iterator[Row]:
        """Yield two roles for each user."""
        for i, user_id in enumerate(self.user_ids):
            for role_id in {_turn(self.user_roles, i), _turn(self.user_roles, i + 1)}:
                yield {"user_id": user_id, "role_id": role_id}

    def clients(self) -> Iterator[Row]:
        """Yield the clients; the last is the resource server of the orders API."""
        self.client_ids = [(new_id("cli"), new_id("client")) for _ in range(self.proportions.clients + 1)]
        for i, (row_id, client_id) in enumerate(self.client_ids):
            yield {"id": row_id, "client_id": client_id, "name": f"client {i}", "created_at": self.at,
                   "token_endpoint_auth_method": "client_secret_basic", "grant_types": [CLIENT_CREDENTIALS],
                   "redirect_uris": []}  # fmt: skip

    def apps(self) -> Iterator[Row]:
        """Yield two public apps: of one there are grants, of the other codes alone."""
        for app in (APP_OF_GRANTS, APP_OF_CODES):
            yield {"id": app, "client_id": app, "name": f"app {app}", "created_at": self.at,
                   "token_endpoint_auth_method": NONE, "grant_types": [AUTHORIZATION_CODE, REFRESH_TOKEN],
                   "redirect_uris": ["https://app.bench.example/"]}  # fmt: skip

    def app_grants(self) -> Iterator[Row]:
        """Yield a grant for each refresh token, of the users in turn."""
        self.grants = [(new_id("grt"), mint(Prefix.REFRESH_TOKEN)) for _ in range(self.proportions.once)]
        for i, (row_id, _) in enumerate(self.grants):
            yield {"id": row_id, "user_id": _turn(self.user_ids, i), "client_id": APP_OF_GRANTS,
                   "created_at": self.at, "expires_at": self.at + 300 * DAY}  # fmt: skip

    def app_grant_scopes(self) -> Iterator[Row]:
        """Yield the two scopes of the orders API for each grant."""
        for grant_id, _ in self.grants:
            for permission_id in self.permission_ids[0][:2]:
                yield {"grant_id": grant_id, "resource_id": self.resource_ids[0], "permission_id": permission_id}

    def refresh_tokens(self) -> Iterator[Row]:
        """Yield the refresh token of each grant."""
        for grant_id, secret in self.grants:
            yield {"grant_id": grant_id, **_opaque(secret), "created_at": self.at, "expires_at": self.at + 30 * DAY}

    def authorization_codes(self) -> Iterator[Row]:
        """Yield codes that live as long as the data set, all with the challenge of VERIFIER."""
        self.codes = [mint(Prefix.AUTHORIZATION_CODE) for _ in range(self.proportions.once)]
        challenge = base64.urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
        for i, code in enumerate(self.codes):
            yield {"digest": digest(code), "client_id": APP_OF_CODES, "user_id": _turn(self.user_ids, i),
                   "granted": {ORDERS: list(SCOPES)}, "code_challenge": challenge,
                   "created_at": self.at, "expires_at": self.at + 30 * DAY}  # fmt: skip

    def client_roles(self) -> Iterator[Row]:
        """Yield a role for each client."""
        for i, (row_id, _) in enumerate(self.client_ids):
            yield {"client_id": row_id, "role_id": _turn(self.machine_roles, i)}

    def client_serves(self) -> Iterator[Row]:
        """Yield the row by which the last client serves the orders API."""
        yield {"client_id": self.client_ids[-1][0], "resource_id": self.resource_ids[0]}

    def client_secrets(self) -> Iterator[Row]:
        """Yield a secret for each client."""
        for row_id, client_id in self.client_ids:
            secret = mint(Prefix.CLIENT_SECRET)
            self.server_basic = basic(client_id, secret)  # the last stays
            if client_id != self.client_ids[-1][1]:
                self.clients_basic.see(self.server_basic)
            yield {"id": new_id("csec"), "client_id": row_id, **_opaque(secret), "created_at": self.at}

    def tokens(self) -> Iterator[Row]:
        """Yield the personal access tokens."""
        self.token_ids = [new_id("pat") for _ in range(self.proportions.tokens)]
        for i, row_id in enumerate(self.token_ids):
            secret = mint(Prefix.PAT)
            self.pats.see(secret)
            yield {"id": row_id, "user_id": _turn(self.user_ids, i), "name": f"token-{i}", **_opaque(secret),
                   "created_at": self.at, "issued_at": self.at, "expires_at": self.at + 30 * DAY}  # fmt: skip

    def token_scopes(self) -> Iterator[Row]:
        """Yield, for each token, the two scopes of the orders API; every fourth token has one of another API too."""
        for i, token_id in enumerate(self.token_ids):
            chosen = [(0, 0), (0, 1), *([(1 + i % (RESOURCES - 1), 0)] if i % 4 == 0 else [])]
            for resource, permission in chosen:
                yield {"token_id": token_id, "resource_id": self.resource_ids[resource],
                       "permission_id": self.permission_ids[resource][permission]}  # fmt: skip

    def keys(self) -> Iterator[Row]:
        """Yield the API keys, all of the orders API; `key_secret_rows` yields their secrets."""
        self.key_secrets = [(new_id("key"), mint(Prefix.API_KEY)) for _ in range(self.proportions.keys)]
        for i, (row_id, secret) in enumerate(self.key_secrets):
            self.api_keys.see(secret)
            yield {"id": row_id, "name": f"key {i}", "resource_id": self.resource_ids[0], "hint": hint(secret),
                   "created_at": self.at, "allowed_ips": []}  # fmt: skip

    def key_secret_rows(self) -> Iterator[Row]:
        """Yield the digest of each key."""
        for row_id, secret in self.key_secrets:
            yield {"id": new_id("ksec"), "api_key_id": row_id, **_opaque(secret), "created_at": self.at}

    def audit_events(self) -> Iterator[Row]:
        """Yield the event that the creation of each credential leaves."""
        for kind, ids in (("personal_access_token", self.token_ids), ("api_key", [i for i, _ in self.key_secrets])):
            for row_id in ids:
                yield {"at": self.at, "actor_type": "client", "actor": self.client_ids[0][1], "actor_name": "client 0",
                       "action": f"{kind}.create", "target_type": kind, "target": row_id,
                       "address": "127.0.0.1", "request_id": row_id[-24:],
                       "details": {"scopes": " ".join(SCOPES)}}  # fmt: skip


def basic(name: str, secret: str) -> str:
    """Return the value of an Authorization header (RFC 6749 §2.3.1); our ids and secrets need no form-encoding."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def _opaque(secret: str) -> Row:
    return {"digest": digest(secret), "hint": hint(secret)}


def _turn(things: list[T], i: int) -> T:
    return things[i % len(things)]
