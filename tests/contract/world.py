"""A small organisation for a test: one API, a user and a client that may use it, and the API's own client."""

from dataclasses import dataclass, field
from typing import Any, Literal

from tests.api import Admin, Client, Json, User, unique

Kind = Literal["pat", "api_key", "m2m"]
KINDS: tuple[Kind, ...] = ("pat", "api_key", "m2m")
CREDENTIAL_TYPE: dict[Kind, str] = {
    "pat": "personal_access_token",
    "api_key": "api_key",
    "m2m": "client_credentials",
}


@dataclass(frozen=True)
class Credential:
    """One issued credential; `id` is what introspection calls its jti."""

    kind: Kind
    id: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class World:
    """A resource with the public permissions `read` and `write`; a user's and a machine role that give both; a user and
    a client who have them; a resource server that serves the resource and has no role."""

    admin: Admin
    resource: Json
    read: str
    write: str
    user_role: Json
    user: User
    machine_role: Json
    client: Client
    resource_server: Client

    @property
    def identifier(self) -> str:
        """The resource's indicator."""
        return str(self.resource["identifier"])

    def issue(self, kind: Kind, **fields: Any) -> Credential:
        """Issue a credential with both scopes, over the whole HTTP surface of its kind."""
        if kind == "pat":
            made = self.admin.pat(self.user, fields.pop("scopes", [self.read, self.write]), **fields)
            return Credential(kind, made["id"], made["token"])
        if kind == "api_key":
            made = self.admin.api_key(self.resource, **fields)
            return Credential(kind, made["id"], made["key"])
        token = self.admin.m2m(self.client, **fields)
        return Credential(kind, str(self.admin.introspect(token)["jti"]), token)


def create_world(admin: Admin) -> World:
    """Create a new organisation."""
    read, write = unique("thing") + ":read", unique("thing") + ":write"
    resource = admin.resource(public=[read, write])
    user_role, machine_role = admin.role("user", [read, write]), admin.role("machine", [read, write])
    return World(
        admin=admin,
        resource=resource,
        read=read,
        write=write,
        user_role=user_role,
        user=admin.user([user_role]),
        machine_role=machine_role,
        client=admin.client([machine_role]),
        resource_server=admin.client(serves=[resource]),
    )


def scopes_of(answer: Json) -> set[str]:
    """Return the scopes of a response's space-separated `scope`."""
    return set(str(answer["scope"]).split())
