"""The state machine's first part: operators manage objects, on the servers and in the model."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.fuzzing.nodes import Nodes
from tests.fuzzing.things import (
    Claims,
    Client,
    ClientSecret,
    Jwt,
    Key,
    Pat,
    Permission,
    Resource,
    Role,
    Token,
    User,
)
from tests.fuzzing.wire import Answer, Broken
from tests.fuzzing.world import World

OUR = "urn:latchkey:token-type:"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ANY_TYPE = "urn:ietf:params:oauth:token-type:access_token"
PASSWORD = "violet-harbour-42-lamps"
MOST_TOKENS, MOST_CLIENTS = 11, 3
LIFETIMES = [1, 2, 59, 60, 61, 3600]  # seconds
NETWORKS: list[tuple[str, ...]] = [(), (), ("192.0.2.0/24",), ("127.0.0.0/8", "2001:db8::/32"), ("::/0",)]
number = st.just(-1) | st.integers(0, 30)  # -1, the newest, in half of the draws
mask = st.integers(0, 127)
flag = st.booleans()
lifetimes = st.sampled_from(LIFETIMES)
rarely = st.sampled_from([False, False, False, True])
T = TypeVar("T")


def pick_one(things: list[T], number: int) -> T:
    """Pick a thing by a number, modulo their count."""
    return things[number % len(things)]


def pick_some(things: list[T], mask: int) -> list[T]:
    """Pick the things whose bit is set in the mask."""
    return [thing for place, thing in enumerate(things) if mask >> place & 1]


def add_private_scopes(token: Token, claims: Claims | None) -> Claims | None:
    """Return false claims, to test that they are found: an API key also has the permissions that are not public."""
    if claims is None or not isinstance(token.of, Key):
        return claims
    here = token.of.resource
    return replace(claims, scopes=frozenset((here.identifier, p.name) for p in here.permissions))


class Doing(RuleBasedStateMachine):
    """What all rules use: the servers, the model, and the calls that change them."""

    nodes: ClassVar[Nodes]
    plant: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.nodes.issuer, self.nodes.next_day())
        if self.plant:
            self.world.alter_claims = add_private_scopes
        self.prefix = secrets.token_hex(4)
        self._serial = 0
        self.steps = 0

    def name(self, what: str) -> str:
        """Return a unique name; names sort by the order of the calls."""
        self._serial += 1
        return f"{self.prefix}.{what}{self._serial:03}"

    def api(self, status: int, method: str, path: str, body: object = None, authorization: str | None = None) -> Any:
        """Call the management API on one of the nodes, and return the JSON; raises Broken for another status."""
        wire = self.nodes.wires[self._serial % 2]
        answer = wire.api(method, path, authorization or self.nodes.manage(), body)
        expect(status, answer, f"{method} {path} {body}")
        return answer.json if answer.body else None

    def later(self, seconds: int) -> str:
        """Return the instant `seconds` from now, in the API's format."""
        return (self.world.now + timedelta(seconds=seconds)).isoformat()

    def holds(self, of: Pat | Key | Jwt, text: str, secret: int = 0) -> None:
        """Remember a token; above MOST_TOKENS, forget the oldest inactive one."""
        tokens = self.world.tokens
        tokens.append(Token(text, of, secret))
        if len(tokens) > MOST_TOKENS:
            dead = [token for token in tokens if token.claims(self.world.now) is None]
            tokens.remove((dead or tokens)[0])


def expect(status: int, answer: Answer, what: str) -> None:
    """Raise Broken when the response has another status."""
    if answer.status != status:
        raise Broken(f"{what} → {answer.status} instead of {status}: {answer.body[:500]!r}")


def same(expected: object, said: object, what: str) -> None:
    """Raise Broken when the response differs from the model."""
    if expected != said:
        raise Broken(f"{what}:\n  expected {expected}\n  answered {said}")


class Rights(Doing):
    """Rules by which operators create, change and delete resources, roles, users and clients."""

    @initialize()
    def begin(self) -> None:
        """Create a small organisation, so that every rule has objects to work with."""
        for count in (3, 2):
            self.make_resource(3600 if count == 3 else 60, count)
        every = 2**7 - 1
        self.make_role(False, every)
        self.make_role(True, every)
        self.make_user(every)
        self.make_client(every, 1)
        self.make_client(0, 3)
        self.first_credentials()

    def first_credentials(self) -> None:
        """Issue the first credentials; a subclass defines which."""

    @rule(ttl=st.sampled_from([60, 61, 3600, 86_400]), count=st.integers(0, 3))
    def make_resource(self, ttl: int, count: int) -> None:
        """Create a resource; its first permission is public."""
        if len(self.world.resources) >= 4:
            return
        name = self.name("api")
        made = [{"name": self.name("p"), "description": "", "public": place == 0} for place in range(count)]
        body = {"identifier": f"https://{name}.example/", "name": name, "access_token_ttl": ttl, "permissions": made}
        row = self.api(201, "POST", "/resources", body)["id"]
        resource = Resource(row, f"https://{name}.example/", ttl)
        resource.permissions = [Permission(str(p["name"]), resource, bool(p["public"])) for p in made]
        self.world.resources.append(resource)

    @rule(which=number, ttl=st.none() | st.sampled_from([60, 3600]))
    @precondition(lambda self: bool(self.world.resources))
    def change_resource(self, which: int, ttl: int | None) -> None:
        """Change the lifetime of a resource's tokens, or its identifier; signed tokens keep the old identifier."""
        resource = pick_one(self.world.resources, which)
        new = f"https://{self.name('api')}.example/"
        self.api(
            200,
            "PATCH",
            f"/resources/{resource.row}",
            {"identifier": new} if ttl is None else {"access_token_ttl": ttl},
        )
        if ttl is None:
            resource.identifier = new
        else:
            resource.ttl = ttl

    @rule(which=number)
    @precondition(lambda self: len(self.world.resources) > 1)
    def drop_resource(self, which: int) -> None:
        """Delete a resource."""
        resource = pick_one(self.world.resources, which)
        self.api(204, "DELETE", f"/resources/{resource.row}")
        self.world.drop_resource(resource)

    @rule(which=number, public=flag, name=st.integers(0, 3))
    @precondition(lambda self: bool(self.world.resources))
    def make_permission(self, which: int, public: bool, name: int) -> None:
        """Create a permission, often with the name of a deleted one."""
        resource, scope = pick_one(self.world.resources, which), f"{self.prefix}:{name}"
        taken = scope in {permission.name for permission in self.world.permissions}
        body = {"name": scope, "description": "", "public": public}
        self.api(409 if taken else 201, "POST", f"/resources/{resource.row}/permissions", body)
        if not taken:
            resource.permissions.append(Permission(scope, resource, public))

    @rule(which=number, public=flag, rename=flag)
    @precondition(lambda self: bool(self.world.permissions))
    def change_permission(self, which: int, public: bool, rename: bool) -> None:
        """Make a permission public or not, or rename it."""
        permission = pick_one(self.world.permissions, which)
        new = self.name("p") if rename else permission.name
        path = f"/resources/{permission.resource.row}/permissions/{permission.name}"
        self.api(200, "PATCH", path, {"public": public, "name": new})
        permission.public, permission.name = public, new

    @rule(which=number)
    @precondition(lambda self: bool(self.world.permissions))
    def drop_permission(self, which: int) -> None:
        """Delete a permission."""
        permission = pick_one(self.world.permissions, which)
        self.api(204, "DELETE", f"/resources/{permission.resource.row}/permissions/{permission.name}")
        self.world.drop_permission(permission)

    @rule(machine=flag, chosen=mask)
    def make_role(self, machine: bool, chosen: int) -> None:
        """Create a role."""
        type, name = ("machine" if machine else "user"), self.name("role")
        permissions = pick_some(self.world.giveable, chosen)
        body = {"name": name, "description": "", "type": type, "permissions": [p.name for p in permissions]}
        row = self.api(201, "POST", "/roles", body)["id"]
        self.world.roles.append(Role(row, name, type, permissions))

    @rule(which=number, chosen=mask)
    @precondition(lambda self: bool(self.world.roles))
    def change_role(self, which: int, chosen: int) -> None:
        """Change the permissions of a role."""
        role, permissions = pick_one(self.world.roles, which), pick_some(self.world.giveable, chosen)
        self.api(200, "PATCH", f"/roles/{role.row}", {"permissions": [p.name for p in permissions]})
        role.permissions = permissions
        self.world.drop_dormant()

    @rule(which=number)
    @precondition(lambda self: len(self.world.roles) > 2)
    def drop_role(self, which: int) -> None:
        """Delete a role."""
        role = pick_one(self.world.roles, which)
        self.api(204, "DELETE", f"/roles/{role.row}")
        self.world.drop_role(role)
        self.world.drop_dormant()

    def roles_of(self, type: str, chosen: int) -> list[Role]:
        """Pick roles of a type by the mask."""
        return pick_some([role for role in self.world.roles if role.type == type], chosen)

    @rule(chosen=mask)
    def make_user(self, chosen: int) -> None:
        """Create a user."""
        if len(self.world.users) >= 3:
            return
        roles, username = self.roles_of("user", chosen), self.name("user")
        body = {"username": username, "email": f"{username}@example.com", "password": PASSWORD}
        row = self.api(201, "POST", "/users", body | {"roles": [role.name for role in roles]})["id"]
        self.world.users.append(User(row, username, PASSWORD, roles))

    @rule(which=number, chosen=mask, enabled=st.sampled_from([True, True, False]), rename=flag)
    @precondition(lambda self: bool(self.world.users))
    def change_user(self, which: int, chosen: int, enabled: bool, rename: bool) -> None:
        """Change a user's roles or name, and disable or enable them."""
        user, roles = pick_one(self.world.users, which), self.roles_of("user", chosen)
        name = self.name("user") if rename else user.username
        body = {"roles": [role.name for role in roles], "enabled": enabled, "username": name}
        self.api(200, "PATCH", f"/users/{user.row}", body)
        user.roles, user.enabled, user.username = roles, enabled, name
        self.world.drop_dormant()

    @rule(which=number)
    @precondition(lambda self: len(self.world.users) > 1)
    def drop_user(self, which: int) -> None:
        """Delete a user."""
        user = pick_one(self.world.users, which)
        self.api(204, "DELETE", f"/users/{user.row}")
        self.world.users.remove(user)
        user.deleted = True

    @rule(chosen=mask, serves=mask)
    def make_client(self, chosen: int, serves: int) -> None:
        """Register a client."""
        if len(self.world.clients) >= MOST_CLIENTS:
            return
        roles, served = self.roles_of("machine", chosen), pick_some(self.world.resources, serves)
        body = {"name": self.name("client"), "roles": [r.name for r in roles], "serves": [r.identifier for r in served]}
        made = self.api(201, "POST", "/clients", body)
        [kept] = self.api(200, "GET", f"/clients/{made['id']}/secrets")["items"]
        secret = ClientSecret(kept["id"], made["client_secret"])
        self.world.clients.append(Client(made["id"], made["client_id"], roles, served, [secret]))

    @rule(which=number, chosen=mask, serves=mask, enabled=st.sampled_from([True, True, False]))
    @precondition(lambda self: bool(self.world.clients))
    def change_client(self, which: int, chosen: int, serves: int, enabled: bool) -> None:
        """Change a client's roles and the resources it serves, and disable or enable it."""
        client, roles = pick_one(self.world.clients, which), self.roles_of("machine", chosen)
        served = pick_some(self.world.resources, serves)
        body = {"roles": [r.name for r in roles], "serves": [r.identifier for r in served], "enabled": enabled}
        self.api(200, "PATCH", f"/clients/{client.row}", body)
        client.roles, client.serves, client.enabled = roles, served, enabled

    @rule(which=number)
    @precondition(lambda self: len(self.world.clients) > 2)
    def drop_client(self, which: int) -> None:
        """Delete a client."""
        client = pick_one(self.world.clients, which)
        self.api(204, "DELETE", f"/clients/{client.row}")
        self.world.clients.remove(client)
        client.deleted = True

    @rule(which=number, lifetime=st.none() | lifetimes)
    @precondition(lambda self: bool(self.world.clients))
    def make_client_secret(self, which: int, lifetime: int | None) -> None:
        """Create a further secret of a client."""
        client = pick_one(self.world.clients, which)
        full = sum(secret.live(self.world.now) for secret in client.secrets) >= 5
        expires_at = None if lifetime is None else self.later(lifetime)
        made = self.api(409 if full else 201, "POST", f"/clients/{client.row}/secrets", {"expires_at": expires_at})
        if not full:
            ends_at = None if lifetime is None else self.world.now + timedelta(seconds=lifetime)
            client.secrets.append(ClientSecret(made["id"], made["client_secret"], ends_at))

    @rule(which=number, secret=number)
    @precondition(lambda self: bool(self.world.clients))
    def drop_client_secret(self, which: int, secret: int) -> None:
        """Revoke a secret of a client."""
        client = pick_one(self.world.clients, which)
        dropped = pick_one(client.secrets, secret)
        self.api(204, "DELETE", f"/clients/{client.row}/secrets/{dropped.row}")
        dropped.revoked = True
