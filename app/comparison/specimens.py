"""One specimen a kind: how it is got, shown, taken away and weakened, over HTTP as its users do it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Protocol

import httpx

from app.actions.audit.actor import OPERATOR
from app.actions.directory.api_keys import KeyChanges, NewKey
from app.actions.directory.client_secrets import NewClientSecret
from app.actions.directory.clients import ClientChanges
from app.actions.directory.resources import PermissionChanges
from app.actions.directory.users import UserChanges
from app.comparison.namespace import Namespace
from app.comparison.stated import API_KEY, M2M, PASSWORD, PAT
from app.credentials.kind import API_KEY as API_KEY_KIND
from app.credentials.kind import PERSONAL_ACCESS_TOKEN
from app.resource_server import Credential, LocalVerification, PublishedKeys

ON_THE_WAY = timedelta(milliseconds=200)  # an instant is a little nearer when it arrives
TOKENS = "/api/v1/me/personal-access-tokens"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
NO_PERSON = "not supported: it has no person with a password behind it"


@dataclass(frozen=True, slots=True)
class Got:
    """A credential as its user holds it: the secret, and how many requests it took to get."""

    secret: str = field(repr=False)
    requests: int
    id: str = ""


@dataclass(frozen=True, slots=True)
class Harm:
    """Something that happens to a credential, and how its traces are undone for the next probe.

    `survived` says why it goes on working afterwards; without that it must be refused at once. `instead` names what
    was done where a kind has no owner or no role.
    """

    do: Callable[[], object]
    undo: Callable[[], object] = lambda: None
    survived: str = ""
    instead: str = ""


class Specimen(Protocol):
    """A kind as the probes use it. `lacks` says why a row does not concern it."""

    column: ClassVar[str]
    lacks: ClassVar[dict[str, str]]

    def get(self, lifetime: int | None = None) -> Got:
        """Get a fresh one with the smallest scope there is, living `lifetime` seconds where that can be said."""

    def works(self, got: Got) -> bool:
        """Tell whether it lets its holder read."""

    def scopes(self, got: Got) -> list[str]:
        """Give what it may do, as the server says."""

    def signed(self, got: Got) -> str | None:
        """Give the JWT that a resource server can check by itself: the credential, or what it is exchanged for."""

    def harms(self, got: Got) -> dict[str, Harm]:
        """Give what can happen to it."""


class Http:
    """The server under comparison: requests, what a resource server asks, and what it can tell by itself."""

    def __init__(self, client: httpx.Client, namespace: Namespace) -> None:
        self.client = client
        self.space = namespace
        self._at: float | None = None
        keys = PublishedKeys(str(client.base_url.join("/.well-known/jwks.json")), client)
        self._local = LocalVerification(namespace.actions.settings.issuer, namespace.identifier, self._now, keys)

    def introspect(self, token: str) -> dict[str, Any]:
        """Ask as the API's own client."""
        server = (self.space.server.client_id, self.space.server_secret)
        response = self.client.post("/oauth/introspect", data={"token": token}, auth=server)
        answer: dict[str, Any] = response.raise_for_status().json()
        return answer

    def scopes(self, token: str) -> list[str]:
        """Give the scopes that the API hears of."""
        return str(self.introspect(token).get("scope", "")).split()

    def reads(self, token: str) -> bool:
        """Tell whether the API would let it read."""
        return self.space.read in self.scopes(token)

    def locally(self, token: str, at: float | None = None) -> Credential | None:
        """Check a JWT as a resource server does without asking, `at` another time (seconds since 1970) if need be."""
        self._at = at
        return self._local(token)

    def exchanged(self, token: str, kind: str) -> str:
        """Trade an opaque credential for a JWT (RFC 8693)."""
        form = {"grant_type": EXCHANGE, "subject_token": token}
        form |= {"subject_token_type": f"urn:latchkey:token-type:{kind}", "resource": self.space.identifier}
        answer: dict[str, Any] = self.client.post("/oauth/token", data=form).raise_for_status().json()
        return str(answer["access_token"])

    def basic(self) -> tuple[str, str]:
        """Give the user's name and password."""
        return self.space.name, self.space.password

    def revoke(self, token: str, auth: httpx.Auth | None = None) -> None:
        """Let the holder end it (RFC 7009)."""
        self.client.post("/oauth/revoke", data={"token": token}, auth=auth or httpx.Auth()).raise_for_status()

    def _now(self) -> float:
        return time.time() if self._at is None else self._at


class Password:
    """The password, at the API that takes it."""

    column: ClassVar[str] = PASSWORD
    lacks: ClassVar[dict[str, str]] = {
        "after_expiry": "not supported: a password has no end",
        "time_to_issue": "not supported: a person chooses it",
        "time_to_verify_locally": "not supported: only the server can tell",
        "fields": "not supported: a password is never introspected",
    }

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, lifetime: int | None = None) -> Got:
        """Take what the user has already."""
        return Got(self._http.space.password, 0)

    def works(self, got: Got) -> bool:
        """Show it with HTTP Basic."""
        return self._me(got).status_code == 200

    def scopes(self, got: Got) -> list[str]:
        """Give what the account may do: all of it."""
        return list(self._me(got).raise_for_status().json()["scopes"])

    def signed(self, got: Got) -> str | None:
        """Give nothing: a password is no token."""
        return None

    def harms(self, got: Got) -> dict[str, Harm]:
        """Give what can happen to it: to revoke, to rotate and to change it are one."""
        space = self._http.space
        changed = Harm(lambda: change_password(space))
        role = Harm(lambda: with_roles(space), lambda: with_roles(space, space.role("user")), "it opens the account")
        return {
            "after_revocation": changed,
            "after_rotation": changed,
            "after_role_removal": role,
            "after_disabling": disabled_user(space),
            "after_password_change": changed,
        }

    def _me(self, got: Got) -> httpx.Response:
        space = self._http.space
        return self._http.client.get("/api/v1/me", auth=(space.name, got.secret), headers=space.probe_header())


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
        made = self._http.client.post(TOKENS, json=body, auth=self._http.basic()).raise_for_status().json()
        return Got(made["token"], 1, made["id"])

    def works(self, got: Got) -> bool:
        """Let the API ask."""
        return self._http.reads(got.secret)

    def scopes(self, got: Got) -> list[str]:
        """Let the API ask."""
        return self._http.scopes(got.secret)

    def signed(self, got: Got) -> str | None:
        """Exchange it."""
        return self._http.exchanged(got.secret, PERSONAL_ACCESS_TOKEN)

    def harms(self, got: Got) -> dict[str, Harm]:
        """Give what can happen to it."""
        space, client = self._http.space, self._http.client

        def regenerate() -> None:
            client.post(f"{TOKENS}/{got.id}/regenerate", auth=self._http.basic()).raise_for_status()

        return {
            "after_revocation": Harm(lambda: self._http.revoke(got.secret)),
            "after_rotation": Harm(regenerate),
            "after_role_removal": Harm(lambda: with_roles(space), lambda: with_roles(space, space.role("user"))),
            "after_disabling": disabled_user(space),
            "after_password_change": Harm(lambda: change_password(space), survived="it is not the password"),
        }


class ApiKey:
    """A key that an operator issues."""

    column: ClassVar[str] = API_KEY
    lacks: ClassVar[dict[str, str]] = {"after_password_change": NO_PERSON}

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, lifetime: int | None = None) -> Got:
        """Issue one for a piece of the API's public part."""
        space = self._http.space
        until = None if lifetime is None else space.actions.clock() + timedelta(seconds=lifetime) + ON_THE_WAY
        new = NewKey(space.name, space.identifier, scopes=(space.read,), expires_at=until)
        view, issued = space.actions.api_keys.create(OPERATOR, new)
        return Got(issued.token, 0, view.id)

    def works(self, got: Got) -> bool:
        """Let the API ask."""
        return self._http.reads(got.secret)

    def scopes(self, got: Got) -> list[str]:
        """Let the API ask."""
        return self._http.scopes(got.secret)

    def signed(self, got: Got) -> str | None:
        """Exchange it."""
        return self._http.exchanged(got.secret, API_KEY_KIND)

    def harms(self, got: Got) -> dict[str, Harm]:
        """Give what can happen to it: without owner and role, it is disabled itself and its scope made private."""
        space, keys = self._http.space, self._http.space.actions.api_keys

        def public(yes: bool) -> None:
            changes = PermissionChanges(public=yes)
            space.actions.resources.change_permission(OPERATOR, space.resource_id, space.read, changes)

        def disable() -> None:
            keys.change(OPERATOR, got.id, KeyChanges(enabled=False))

        return {
            "after_revocation": Harm(lambda: self._http.revoke(got.secret)),
            "after_rotation": Harm(lambda: keys.rotate(OPERATOR, got.id, 0)),
            "after_role_removal": Harm(lambda: public(False), lambda: public(True), instead="its scope made private"),
            "after_disabling": Harm(disable, instead="disabled itself"),
        }


class MachineToken:
    """A token that a client asks for."""

    column: ClassVar[str] = M2M
    lacks: ClassVar[dict[str, str]] = {"after_password_change": NO_PERSON}

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, lifetime: int | None = None) -> Got:
        """Trade id and secret for a token."""
        grant = {"grant_type": "client_credentials", "scope": self._http.space.read}
        answer = self._http.client.post("/oauth/token", data=grant, auth=self._client()).raise_for_status().json()
        return Got(answer["access_token"], 1)

    def works(self, got: Got) -> bool:
        """Let the API ask."""
        return self._http.reads(got.secret)

    def scopes(self, got: Got) -> list[str]:
        """Let the API ask."""
        return self._http.scopes(got.secret)

    def signed(self, got: Got) -> str | None:
        """Give it as it is."""
        return got.secret

    def harms(self, got: Got) -> dict[str, Harm]:
        """Give what can happen to it; what rotates is the client's secret, and the token outlives it."""
        space = self._http.space

        def changed(**what: Any) -> None:
            space.actions.clients.change(OPERATOR, space.client.id, ClientChanges(**what))

        return {
            "after_revocation": Harm(lambda: self._http.revoke(got.secret, self._client())),
            "after_rotation": Harm(self._rotate, survived="the secret is replaced, what it got lives on"),
            "after_role_removal": Harm(lambda: changed(roles=()), lambda: changed(roles=(space.role("machine"),))),
            "after_disabling": Harm(lambda: changed(enabled=False), lambda: changed(enabled=True)),
        }

    def _rotate(self) -> None:
        space, actions = self._http.space, self._http.space.actions.client_secrets
        old = actions.page(space.client.id, 50)[0]
        _, issued = actions.create(OPERATOR, space.client.id, NewClientSecret(secrets.token_hex(6)))
        space.client_secret = issued.token
        for secret in old:
            actions.revoke(OPERATOR, space.client.id, secret.id)

    def _client(self) -> httpx.Auth:
        return httpx.BasicAuth(self._http.space.client.client_id, self._http.space.client_secret)


def change_password(space: Namespace) -> None:
    """Give the user another password."""
    space.password = secrets.token_urlsafe(18)
    space.actions.users.change(OPERATOR, space.user_id, UserChanges(password=space.password))


def with_roles(space: Namespace, *roles: str) -> None:
    """Give the user these roles and no others."""
    space.actions.users.change(OPERATOR, space.user_id, UserChanges(roles=roles))


def disabled_user(space: Namespace) -> Harm:
    """Give what disabling the owner is."""

    def enabled(yes: bool) -> None:
        space.actions.users.change(OPERATOR, space.user_id, UserChanges(enabled=yes))

    return Harm(lambda: enabled(False), lambda: enabled(True))
