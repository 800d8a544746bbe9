"""An example organisation, a small bookshop: APIs, roles, users, clients and credentials to try things with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from app.actions.audit.actor import Actor
from app.actions.directory.api_keys import ApiKeyActions, NewKey
from app.actions.directory.clients import ClientActions, NewClient
from app.actions.directory.lifetime import AskedLifetime
from app.actions.directory.personal_access_tokens import NewToken, PersonalAccessTokenActions
from app.actions.directory.resources import NewPermission, NewResource, ResourceActions
from app.actions.directory.roles import NewRole, RoleActions
from app.actions.directory.users import NewUser, UserActions
from app.models.grant_types import AUTHORIZATION_CODE, DEVICE_CODE, REFRESH_TOKEN

ORDERS, STOCK = "https://orders.bookshop.example", "https://stock.bookshop.example"
RESOURCES = (
    NewResource(
        ORDERS,
        "Orders",
        permissions=(
            NewPermission("orders:read", "see orders"),
            NewPermission("orders:write", "place and change orders"),
        ),
    ),
    NewResource(
        STOCK,
        "Stock",
        access_token_ttl=600,
        permissions=(
            NewPermission("stock:read", "see what is there", public=True),
            NewPermission("stock:write", "book arrivals"),
        ),
    ),
)
ROLES = (
    NewRole("bookseller", "user", "serves customers", ("orders:read", "orders:write", "stock:read")),
    NewRole("accountant", "user", "sees everything", ("orders:read", "stock:read")),
    NewRole("warehouse", "machine", "sends what was ordered", ("orders:read", "stock:read", "stock:write")),
)
USERS = (("alice", "Alice Bell", "bookseller"), ("bob", "Bob Stone", "accountant"))
CLIENTS = (
    NewClient("Warehouse robot", roles=("warehouse",)),
    NewClient("Orders API", serves=(ORDERS,)),
    NewClient("Stock API", serves=(STOCK,)),
    NewClient(
        "Reading planner",  # an app of another maker: a program on the user's computer, or on a television
        token_endpoint_auth_method="none",  # noqa: S106 - a public app
        grant_types=(AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE),
        redirect_uris=("http://127.0.0.1:9000/callback",),
        scopes=("orders:read", "stock:read"),
        client_uri="https://planner.example",
    ),
)
TOKEN = ("alice", NewToken("Alice's laptop", ("orders:read", "stock:read"), AskedLifetime(), "for scripts"))
KEY = NewKey("Shop window", STOCK)


@dataclass(frozen=True, slots=True)
class Created:
    """A created object and its secret, which is shown only once; a public app has none."""

    kind: str
    name: str
    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Demo:
    """Creates the missing objects of the example organisation."""

    resources: ResourceActions
    roles: RoleActions
    users: UserActions
    clients: ClientActions
    personal_access_tokens: PersonalAccessTokenActions
    api_keys: ApiKeyActions

    def __call__(self, actor: Actor) -> list[Created]:
        """Return what was created; raise Duplicate when the name of a scope is taken."""
        for resource in RESOURCES:
            if not self.resources.page(1, identifier=resource.identifier)[0]:
                self.resources.create(actor, resource)
        for role in ROLES:
            if not self.roles.page(1, name=role.name)[0]:
                self.roles.create(actor, role)
        return [*self._users(actor), *self._clients(actor), *self._token(actor), *self._key(actor)]

    def _users(self, actor: Actor) -> list[Created]:
        made = []
        for username, display_name, role in USERS:
            if self.users.page(1, username=username)[0]:
                continue
            password = secrets.token_urlsafe(18)
            new = NewUser(username, f"{username}@bookshop.example", password, display_name, roles=(role,))
            made.append(Created("user", username, self.users.create(actor, new).id, password))
        return made

    def _clients(self, actor: Actor) -> list[Created]:
        made, present = [], {client.name for client in self.clients.page(200)[0]}
        for new in CLIENTS:
            if new.name not in present:
                view, issued = self.clients.create(actor, new)
                made.append(Created("client", new.name, view.client_id, issued.token if issued else ""))
        return made

    def _token(self, actor: Actor) -> list[Created]:
        username, new = TOKEN
        [owner] = self.users.page(1, username=username)[0]
        if any(token.name == new.name for token in self.personal_access_tokens.page(owner.id, 200)[0]):
            return []
        view, issued = self.personal_access_tokens.create(actor, owner.id, new)
        return [Created("personal access token", new.name, view.id, issued.token)]

    def _key(self, actor: Actor) -> list[Created]:
        if any(key.name == KEY.name for key in self.api_keys.page(200, resource=KEY.resource)[0]):
            return []
        view, issued = self.api_keys.create(actor, KEY)
        return [Created("API key", KEY.name, view.id, issued.token)]
