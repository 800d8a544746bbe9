"""One specimen a kind: how it is got, shown, taken away and weakened, over HTTP as its users do it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Protocol

import httpx

from app.actions.actor import OPERATOR
from app.actions.api_keys import KeyChanges, NewKey
from app.actions.clients import ClientChanges
from app.actions.resources import PermissionChanges
from app.actions.users import UserChanges
from app.comparison.namespace import Namespace
from app.comparison.stated import API_KEY, M2M, PASSWORD, PAT

ON_THE_WAY = timedelta(milliseconds=200)  # an instant is a little nearer when it arrives
FORM_TOKEN = "/oauth/token"  # noqa: S105 - a path


@dataclass(frozen=True, slots=True)
class Got:
    """A credential as its user holds it: the secret, and how many requests it took to get."""

    secret: str = field(repr=False)
    requests: int
    id: str = ""


class Specimen(Protocol):
    """A kind as the probes use it. `lacks` says why a row does not concern it."""

    column: ClassVar[str]
    lacks: ClassVar[dict[str, str]]

    def get(self, lifetime: int | None = None) -> Got:
        """Get a fresh one, living `lifetime` seconds where that can be said."""

    def works(self, got: Got) -> bool:
        """Tell whether it lets its holder read."""

    def harms(self, got: Got) -> dict[str, Harm]:
        """Give what can happen to it."""


@dataclass(frozen=True, slots=True)
class Harm:
    """Something that happens to a credential, and how its traces are undone for the next probe."""

    do: Callable[[], None]
    undo: Callable[[], None] = lambda: None


class Http:
    """The server under comparison: requests, and what a resource server asks."""

    def __init__(self, client: httpx.Client, namespace: Namespace) -> None:
        self.client = client
        self.space = namespace

    def introspect(self, token: str) -> dict[str, Any]:
        """Ask as the API's own client."""
        server = (self.space.server.client_id, self.space.server_secret)
        answer: dict[str, Any] = self.client.post("/oauth/introspect", data={"token": token}, auth=server).json()
        return answer

    def reads(self, token: str) -> bool:
        """Tell whether the API would let it read."""
        return self.space.read in str(self.introspect(token).get("scope", "")).split()

    def basic(self) -> tuple[str, str]:
        """Give the user's name and password."""
        return self.space.name, self.space.password


class Password:
    """The password, at the API that takes it."""

    column: ClassVar[str] = PASSWORD
    lacks: ClassVar[dict[str, str]] = {
        "expiry": "not supported: a password has no end",
        "role": "unmoved: it opens the account, whatever the roles give",
        "local": "not supported: only the server knows it",
    }

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, lifetime: int | None = None) -> Got:
        """Take what the user has already."""
        return Got(self._http.space.password, 0)

    def works(self, got: Got) -> bool:
        """Show it with HTTP Basic."""
        return self._http.client.get("/api/v1/me", auth=(self._http.space.name, got.secret)).status_code == 200

    def harms(self, got: Got) -> dict[str, Harm]:
        """Give what can happen to it: to revoke, to rotate and to change it are one."""
        changed = Harm(lambda: change_password(self._http.space))
        return {
            "revocation": changed,
            "rotation": changed,
            "password": changed,
            "owner": disabled_user(self._http.space),
        }


class PersonalAccessToken:
    """A token that the user makes with their password."""

    column: ClassVar[str] = PAT
    lacks: ClassVar[dict[str, str]] = {}

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, lifetime: int | None = None) -> Got:
        """Make one on the user's own API."""
        body: dict[str, Any] = {"name": secrets.token_hex(6), "scopes": [self._http.space.read]}
        body |= {"expires_in": lifetime} if lifetime else {}
        path = "/api/v1/me/personal-access-tokens"
        made = self._http.client.post(path, json=body, auth=self._http.basic()).raise_for_status().json()
        return Got(made["token"], 1, made["id"])

    def works(self, got: Got) -> bool:
        """Let the API ask."""
        return self._http.reads(got.secret)

    def harms(self, got: Got) -> dict[str, Harm]:
        """Give what can happen to it."""
        space, client = self._http.space, self._http.client
        regenerate = f"/api/v1/me/personal-access-tokens/{got.id}/regenerate"

        def with_roles(*roles: str) -> None:
            space.actions.users.change(OPERATOR, space.user_id, UserChanges(roles=roles))

        return {
            "revocation": Harm(lambda: done(client.post("/oauth/revoke", data={"token": got.secret}))),
            "rotation": Harm(lambda: done(client.post(regenerate, auth=self._http.basic()))),
            "role": Harm(with_roles, lambda: with_roles(space.role("user"))),
            "owner": disabled_user(space),
            "password": Harm(lambda: change_password(space)),
        }


class ApiKey:
    """A key that an operator issues."""

    column: ClassVar[str] = API_KEY
    lacks: ClassVar[dict[str, str]] = {
        "password": "not concerned: it belongs to nobody",
        "local": "not supported: an opaque string must be asked about, or exchanged for a JWT",
    }

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, lifetime: int | None = None) -> Got:
        """Issue one for the API's public part."""
        space = self._http.space
        until = None if lifetime is None else space.actions.clock() + timedelta(seconds=lifetime) + ON_THE_WAY
        view, issued = space.actions.api_keys.create(OPERATOR, NewKey(space.name, space.identifier, expires_at=until))
        return Got(issued.token, 0, view.id)

    def works(self, got: Got) -> bool:
        """Let the API ask."""
        return self._http.reads(got.secret)

    def harms(self, got: Got) -> dict[str, Harm]:
        """Give what can happen to it: without owner and role, it is disabled itself and its scope made private."""
        space, client, keys = self._http.space, self._http.client, self._http.space.actions.api_keys

        def public(yes: bool) -> None:
            changes = PermissionChanges(public=yes)
            space.actions.resources.change_permission(OPERATOR, space.resource_id, space.read, changes)

        return {
            "revocation": Harm(lambda: done(client.post("/oauth/revoke", data={"token": got.secret}))),
            "rotation": Harm(lambda: void(keys.rotate(OPERATOR, got.id, 0))),
            "role": Harm(lambda: public(False), lambda: public(True)),
            "owner": Harm(lambda: void(keys.change(OPERATOR, got.id, KeyChanges(enabled=False)))),
        }


class MachineToken:
    """A token that a client asks for."""

    column: ClassVar[str] = M2M
    lacks: ClassVar[dict[str, str]] = {
        "password": "not concerned: a client has no password",
        "rotation": "not supported: ask for another; this one lives until it expires or is revoked",
    }

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, lifetime: int | None = None) -> Got:
        """Trade id and secret for a token."""
        grant = {"grant_type": "client_credentials", "scope": self._http.space.read}
        answer = self._http.client.post(FORM_TOKEN, data=grant, auth=self._client()).raise_for_status().json()
        return Got(answer["access_token"], 1)

    def works(self, got: Got) -> bool:
        """Let the API ask."""
        return self._http.reads(got.secret)

    def harms(self, got: Got) -> dict[str, Harm]:
        """Give what can happen to it; a token cannot be rotated, only asked for again."""
        space, client = self._http.space, self._http.client

        def changed(**what: Any) -> None:
            space.actions.clients.change(OPERATOR, space.client.id, ClientChanges(**what))

        revoke = {"url": "/oauth/revoke", "data": {"token": got.secret}, "auth": self._client()}
        return {
            "revocation": Harm(lambda: done(client.post(**revoke))),  # type: ignore[arg-type]
            "role": Harm(lambda: changed(roles=()), lambda: changed(roles=(space.role("machine"),))),
            "owner": Harm(lambda: changed(enabled=False), lambda: changed(enabled=True)),
        }

    def _client(self) -> tuple[str, str]:
        return self._http.space.client.client_id, self._http.space.client_secret


def change_password(space: Namespace) -> None:
    """Give the user another password."""
    space.password = secrets.token_urlsafe(18)
    space.actions.users.change(OPERATOR, space.user_id, UserChanges(password=space.password))


def disabled_user(space: Namespace) -> Harm:
    """Give what disabling the owner is."""

    def enabled(yes: bool) -> None:
        space.actions.users.change(OPERATOR, space.user_id, UserChanges(enabled=yes))

    return Harm(lambda: enabled(False), lambda: enabled(True))


def done(response: httpx.Response) -> None:
    """Raise when the server did not do it."""
    response.raise_for_status()


def void(_: object) -> None:
    """Leave what an action gave."""
