"""A specimen of each kind of credential: how it is obtained, used, revoked and restricted."""

from __future__ import annotations

import secrets
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
from app.comparison.local import LocalResourceServer
from app.comparison.namespace import Namespace
from app.comparison.stated import API_KEY, M2M, PASSWORD, PAT
from app.credentials.api_key import ApiKeys
from app.credentials.pat import PersonalAccessTokens
from app.resource_server import Credential
from app.texts import mark

ON_THE_WAY = timedelta(milliseconds=200)  # the time that passes before the server reads an instant
TOKENS = "/api/v1/me/personal-access-tokens"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
NO_PERSON = mark("not supported: it has no person with a password behind it")
NO_APP = {"after_app_end": mark("not supported: no app got it by a user's consent")}


@dataclass(frozen=True, slots=True)
class Got:
    """A credential: its secret, its id, the number of requests that it took to obtain it, and its refresh token."""

    secret: str = field(repr=False)
    requests: int
    id: str = ""
    refresh_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Harm:
    """A change that should end a credential, and how to undo it for the next probe.

    `survived` says why the credential still works; if empty, it must be refused at once. `instead` names what was done
    to a kind without an owner or a role.
    """

    do: Callable[[], object]
    undo: Callable[[], object] = lambda: None
    survived: str = ""
    instead: str = ""


class Specimen(Protocol):
    """A kind of credential, for the probes. `lacks` says why a row does not apply to it, `issuing` what `get` does."""

    column: ClassVar[str]
    lacks: ClassVar[dict[str, str]]
    issuing: ClassVar[str]

    def get(self, lifetime: int | None = None) -> Got:
        """Obtain a new one with the smallest scope, and with this lifetime in seconds where it can be chosen."""

    def works(self, got: Got) -> bool:
        """Return whether it allows to read."""

    def scopes(self, got: Got) -> list[str]:
        """Return its scopes, as the server reports them."""

    def signed(self, got: Got) -> str | None:
        """Return a JWT: the credential itself, or one that it is exchanged for; None for a password."""

    def harms(self, got: Got) -> dict[str, Harm]:
        """Return the changes that should end it, by the key of their row."""


class Http:
    """The compared server: requests of holders, introspection, and local verification as in a resource server."""

    def __init__(self, client: httpx.Client, namespace: Namespace) -> None:
        self.client = client
        self.space = namespace
        self._by_keys = LocalResourceServer(client, namespace, check_status=False)

    def introspect(self, token: str) -> dict[str, Any]:
        """Introspect as the API's own client."""
        server = (self.space.server.client_id, self.space.server_secret)
        response = self.client.post("/oauth/introspect", data={"token": token}, auth=server)
        answer: dict[str, Any] = response.raise_for_status().json()
        return answer

    def scopes(self, token: str) -> list[str]:
        """Return the scopes that introspection reports."""
        return str(self.introspect(token).get("scope", "")).split()

    def reads(self, token: str) -> bool:
        """Return whether introspection reports the scope to read."""
        return self.space.read in self.scopes(token)

    def verify_locally(self, token: str, at: float | None = None) -> Credential | None:
        """Verify a JWT by the keys alone, now or `at` another time (seconds since 1970); None when it is refused."""
        return self._by_keys.verify(token, at)

    def read_lists(self) -> LocalResourceServer:
        """Return a resource server that has just started, and verifies with the status lists too."""
        return LocalResourceServer(self.client, self.space, check_status=True)

    def exchange(self, token: str, kind: str) -> str:
        """Exchange an opaque credential for a JWT (RFC 8693)."""
        form = {"grant_type": EXCHANGE, "subject_token": token}
        form |= {"subject_token_type": f"urn:latchkey:token-type:{kind}", "resource": self.space.identifier}
        answer: dict[str, Any] = self.client.post("/oauth/token", data=form).raise_for_status().json()
        return str(answer["access_token"])

    def basic(self) -> tuple[str, str]:
        """Return the user's name and password."""
        return self.space.name, self.space.password

    def revoke(self, token: str, auth: httpx.Auth | None = None) -> None:
        """Revoke a token as its holder (RFC 7009)."""
        self.client.post("/oauth/revoke", data={"token": token}, auth=auth or httpx.Auth()).raise_for_status()


class Password:
    """A password, sent with HTTP Basic to the user's own API."""

    column: ClassVar[str] = PASSWORD
    lacks: ClassVar[dict[str, str]] = {
        "after_expiry": mark("not supported: a password has no end"),
        "time_to_issue": mark("not supported: a person chooses it"),
        "time_to_verify_locally": mark("not supported: only the server can tell"),
        "time_to_verify_with_list": mark("not supported: only the server can tell"),
        "fields": mark("not supported: a password is never introspected"),
        **NO_APP,
    }
    issuing: ClassVar[str] = "a person chooses it"

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, lifetime: int | None = None) -> Got:
        """Return the password that the user has."""
        return Got(self._http.space.password, 0)

    def works(self, got: Got) -> bool:
        """Request the user's own profile with it."""
        return self._me(got).status_code == 200

    def scopes(self, got: Got) -> list[str]:
        """Return all scopes of the account."""
        return list(self._me(got).raise_for_status().json()["scopes"])

    def signed(self, got: Got) -> str | None:
        """Return None: a password cannot be exchanged for a JWT."""
        return None

    def harms(self, got: Got) -> dict[str, Harm]:
        """Return the changes; to revoke or to rotate a password is to change it."""
        space = self._http.space
        changed = Harm(lambda: change_password(space))
        role = Harm(
            lambda: set_roles(space), lambda: set_roles(space, space.role("user")), mark("it opens the account")
        )
        return {
            "after_revocation": changed,
            "after_rotation": changed,
            "after_role_removal": role,
            "after_disabling": harm_of_disabling(space),
            "after_password_change": changed,
        }

    def _me(self, got: Got) -> httpx.Response:
        space = self._http.space
        return self._http.client.get("/api/v1/me", auth=(space.name, got.secret), headers=space.probe_header())


class PersonalAccessToken:
    """A token that the user creates with their password."""

    column: ClassVar[str] = PAT
    lacks: ClassVar[dict[str, str]] = NO_APP
    issuing: ClassVar[str] = mark("one request with the user's password")

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, lifetime: int | None = None) -> Got:
        """Create one with the user's own API."""
        body: dict[str, Any] = {"name": secrets.token_hex(6), "scopes": [self._http.space.read]}
        body |= {"expires_in": lifetime} if lifetime else {}
        made = self._http.client.post(TOKENS, json=body, auth=self._http.basic()).raise_for_status().json()
        return Got(made["token"], 1, made["id"])

    def works(self, got: Got) -> bool:
        """Introspect it as the API."""
        return self._http.reads(got.secret)

    def scopes(self, got: Got) -> list[str]:
        """Return the scopes that introspection reports."""
        return self._http.scopes(got.secret)

    def signed(self, got: Got) -> str | None:
        """Exchange it for a JWT."""
        return self._http.exchange(got.secret, PersonalAccessTokens.name)

    def harms(self, got: Got) -> dict[str, Harm]:
        """Return the changes that should end it."""
        space, client = self._http.space, self._http.client

        def regenerate() -> None:
            client.post(f"{TOKENS}/{got.id}/regenerate", auth=self._http.basic()).raise_for_status()

        return {
            "after_revocation": Harm(lambda: self._http.revoke(got.secret)),
            "after_rotation": Harm(regenerate),
            "after_role_removal": Harm(lambda: set_roles(space), lambda: set_roles(space, space.role("user"))),
            "after_disabling": harm_of_disabling(space),
            "after_password_change": Harm(lambda: change_password(space), survived=mark("it is not the password")),
        }


class ApiKey:
    """A key that an operator issues."""

    column: ClassVar[str] = API_KEY
    lacks: ClassVar[dict[str, str]] = {"after_password_change": NO_PERSON, **NO_APP}
    issuing: ClassVar[str] = mark("an operator's command, without a request")

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, lifetime: int | None = None) -> Got:
        """Issue one with one of the API's public permissions."""
        space = self._http.space
        until = None if lifetime is None else space.actions.clock() + timedelta(seconds=lifetime) + ON_THE_WAY
        new = NewKey(space.name, space.identifier, scopes=(space.read,), expires_at=until)
        view, issued = space.actions.api_keys.create(OPERATOR, new)
        return Got(issued.token, 0, view.id)

    def works(self, got: Got) -> bool:
        """Introspect it as the API."""
        return self._http.reads(got.secret)

    def scopes(self, got: Got) -> list[str]:
        """Return the scopes that introspection reports."""
        return self._http.scopes(got.secret)

    def signed(self, got: Got) -> str | None:
        """Exchange it for a JWT."""
        return self._http.exchange(got.secret, ApiKeys.name)

    def harms(self, got: Got) -> dict[str, Harm]:
        """Return the changes; without an owner and a role, the key itself is disabled and its scope made private."""
        space, keys = self._http.space, self._http.space.actions.api_keys

        def public(yes: bool) -> None:
            changes = PermissionChanges(public=yes)
            space.actions.resources.change_permission(OPERATOR, space.resource_id, space.read, changes)

        private = mark("its scope made private")

        def disable() -> None:
            keys.change(OPERATOR, got.id, KeyChanges(enabled=False))

        return {
            "after_revocation": Harm(lambda: self._http.revoke(got.secret)),
            "after_rotation": Harm(lambda: keys.rotate(OPERATOR, got.id, 0)),
            "after_role_removal": Harm(lambda: public(False), lambda: public(True), instead=private),
            "after_disabling": Harm(disable, instead=mark("disabled itself")),
        }


class MachineToken:
    """A token that a client requests with client credentials."""

    column: ClassVar[str] = M2M
    lacks: ClassVar[dict[str, str]] = {"after_password_change": NO_PERSON, **NO_APP}
    issuing: ClassVar[str] = mark("one request with the client's secret, and a signature")

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, lifetime: int | None = None) -> Got:
        """Request one with the client's id and secret."""
        grant = {"grant_type": "client_credentials", "scope": self._http.space.read}
        answer = self._http.client.post("/oauth/token", data=grant, auth=self._client()).raise_for_status().json()
        return Got(answer["access_token"], 1)

    def works(self, got: Got) -> bool:
        """Introspect it as the API."""
        return self._http.reads(got.secret)

    def scopes(self, got: Got) -> list[str]:
        """Return the scopes that introspection reports."""
        return self._http.scopes(got.secret)

    def signed(self, got: Got) -> str | None:
        """Return the token itself."""
        return got.secret

    def harms(self, got: Got) -> dict[str, Harm]:
        """Return the changes; what is rotated is the client's secret, and the token stays valid."""
        space = self._http.space

        def changed(**what: Any) -> None:
            space.actions.clients.change(OPERATOR, space.client.id, ClientChanges(**what))

        return {
            "after_revocation": Harm(lambda: self._http.revoke(got.secret, self._client())),
            "after_rotation": Harm(self._rotate, survived=mark("the secret is replaced, what it got lives on")),
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
    """Change the user's password."""
    space.password = secrets.token_urlsafe(18)
    space.actions.users.change(OPERATOR, space.user_id, UserChanges(password=space.password))


def set_roles(space: Namespace, *roles: str) -> None:
    """Set the roles of the user."""
    space.actions.users.change(OPERATOR, space.user_id, UserChanges(roles=roles))


def harm_of_disabling(space: Namespace) -> Harm:
    """Return the change that disables the owner."""

    def enabled(yes: bool) -> None:
        space.actions.users.change(OPERATOR, space.user_id, UserChanges(enabled=yes))

    return Harm(lambda: enabled(False), lambda: enabled(True))
