"""Makes the objects that the matrix of rights tries each operation on."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from app.actions.audit.actor import OPERATOR, Actor
from app.actions.directory.resources import NewPermission
from tests.app_grants import connect_app, register_app
from tests.core import ORDERS
from tests.management.face import OWN, Face
from tests.second_factors import set_up_app

_serial = itertools.count(1)
JWKS_URI = "https://client.example/jwks"
HOOK = "https://hooks.example/latchkey"
KEYED = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": JWKS_URI}
FEDERATED = {"name": "ci", "issuer": "https://ci.example", "subject": "repo:shop"}


def unique(noun: str) -> str:
    """Return a name that nothing has yet."""
    return f"{noun}-of-the-matrix-{next(_serial)}"


@dataclass
class Scene:
    """Makes what an operation is tried on, as an administrator."""

    face: Face
    admin: str
    roles: dict[tuple[str, ...], str] = field(default_factory=dict)
    providers: dict[tuple[str, ...], str] = field(default_factory=dict)

    def create(self, path: str, **body: Any) -> Any:
        """Make an object and return its representation."""
        return self.face.create(path, body, self.admin)

    def next_signing_key(self) -> str:
        """Return the kid of the key that signs nothing yet."""
        keys = self.face.call("GET", "/signing-keys", self.admin).json["items"]
        return next(str(key["kid"]) for key in keys if key["status"] == "next")

    def role(self, type: str, *scopes: str) -> str:
        """Return the name of a role that gives these scopes."""
        if (type, *scopes) not in self.roles:
            made = self.create("/roles", name=unique("role"), type=type, permissions=scopes)
            self.roles[(type, *scopes)] = made["name"]
        return self.roles[(type, *scopes)]

    def a_role(self, *scopes: str) -> Any:
        """Make a role of its own."""
        return self.create("/roles", name=unique("role"), type="user", permissions=scopes)["id"]

    def user(self, *scopes: str) -> str:
        """Make a user whose role gives these scopes; return the id."""
        roles = [self.role("user", *scopes)] if scopes else []
        return str(self.create("/users", username=unique("user"), roles=roles)["id"])

    def user_with_factor(self, *scopes: str) -> str:
        """Make a user who has an authenticator app too; return the id."""
        user = self.user(*scopes)
        set_up_app(self.face.core, Actor("user", user, user))
        return user

    def client(self, *scopes: str, **more: Any) -> str:
        """Make a client whose role gives these scopes; return the id."""
        roles = [self.role("machine", *scopes)] if scopes else []
        return str(self.create("/clients", name=unique("client"), roles=roles, **more)["id"])

    def pat(self, *scopes: str) -> tuple[str, str]:
        """Make a token of these scopes; return its user's id and its own."""
        user = self.user(*scopes)
        return user, self.create(f"/users/{user}/personal-access-tokens", name="pat", scopes=scopes)["id"]

    def secret(self, client: str) -> tuple[str, str]:
        """Add a secret; return both ids."""
        return client, self.create(f"/clients/{client}/secrets", name="second")["id"]

    def trust(self, client: str) -> tuple[str, str]:
        """Add a federated credential; return both ids."""
        return client, self.create(f"/clients/{client}/federated-credentials", **FEDERATED)["id"]

    def app(self, *scopes: str) -> tuple[str, str]:
        """Connect an app to a user who has these scopes too; return the ids of both."""
        user, app = self.user("orders:read", *scopes), register_app(self.face.core, unique("app"))
        connect_app(self.face.core, app, user)
        return user, app.row_id

    def grant(self) -> tuple[str, str]:
        """Connect an app to a user; return the id of the app and of the grant."""
        app = register_app(self.face.core, unique("app"))
        return app.row_id, connect_app(self.face.core, app, self.user("orders:read")).grant_id

    def key(self) -> str:
        """Make an API key; return the id."""
        return str(self.create("/api-keys", name=unique("key"), resource=ORDERS)["id"])

    def webhook(self) -> str:
        """Make a webhook; return the id."""
        return str(self.create("/webhooks", url=HOOK)["id"])

    def provider(self, *scopes: str) -> str:
        """Make an identity provider that gives a role with these scopes; return the id."""
        return str(self.create("/identity-providers", **provider_of(self, *scopes))["id"])

    def identity(self, *scopes: str) -> tuple[str, str]:
        """Link an account to a user who has these scopes; return the ids of both."""
        user = self.user(*scopes)
        return user, self.create(f"/users/{user}/identities", **linking(self))["id"]

    def resource(self) -> str:
        """Make a resource; return the id."""
        return str(self.create("/resources", identifier=f"https://{unique('api')}.example", name="an API")["id"])

    def permission(self) -> tuple[str, str]:
        """Make a permission; return its resource's id and its name."""
        resource, name = self.resource(), unique("permission")
        self.face.core.actions.resources.add_permission(OPERATOR, resource, NewPermission(name))
        return resource, name

    @property
    def own(self) -> str:
        """The id of the management API as a resource."""
        [found] = self.face.core.actions.resources.page(1, identifier=OWN)[0]
        return found.id


def provider_of(scene: Scene, *scopes: str) -> dict[str, Any]:
    """Return an identity provider that gives a role with these scopes to a group."""
    roles = {"groups_claim": "groups", "roles": {"a": [scene.role("user", *scopes)]}} if scopes else {}
    issuer = f"https://{unique('idp')}.example"
    return {"name": unique("idp"), "issuer": issuer, "client_id": "us", "private_key_jwt": True, **roles}


def linking(scene: Scene, *scopes: str) -> dict[str, str]:
    """Return an account at a provider that gives a role with these scopes."""
    if scopes not in scene.providers:
        scene.providers[scopes] = scene.provider(*scopes)
    return {"provider": scene.providers[scopes], "subject": unique("subject")}
