"""The core without an interface: the actions on a database of their own, with a clock that the test moves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from sqlalchemy import create_engine, delete, func, select, update

from app.actions.audit.actor import OPERATOR, Actor
from app.actions.delegation.app_tokens import AppTokens
from app.actions.delegation.codes import CodeTerms
from app.actions.directory.api_keys import KeyView, NewKey
from app.actions.directory.lifetime import AskedLifetime
from app.actions.directory.personal_access_tokens import NewToken, TokenView
from app.actions.limits.storage import DatabaseLimiter
from app.actions.tokens.exchange import ACCESS_TOKEN
from app.compose import Actions, FurtherKinds, join
from app.credentials.kind import Address, Claims
from app.crypto.opaque import Prefix, digest, hint, mint
from app.database.store import Store
from app.database.types import Base, new_id
from app.models import AuditEvent, Client, ClientSecret, Permission, Resource, Role, User
from app.settings.settings import Settings
from tests.databases import Database, chosen, database_in

ISSUER = "https://login.example"
ORDERS = "https://api.example/orders"
STOCK = "https://api.example/stock"
START = datetime(2030, 1, 1, 12, 0, 0, 750_000, UTC)  # not on a whole second: rounding shows


@dataclass
class MutableClock:
    """A clock that changes only when a test moves it."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **timedelta_parts: float) -> None:
        """Move the clock: clock.advance(seconds=59)."""
        self.now += timedelta(**timedelta_parts)


@dataclass
class Core:
    """The actions, with short methods to prepare rows for them."""

    actions: Actions
    clock: MutableClock
    database: Database
    _rows: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return self.actions.store

    def resource(self, identifier: str, *scopes: str, public: Sequence[str] = (), ttl: int = 3600) -> str:
        """Make a resource with these permissions, `public` ones besides; return its row id."""
        own = [Permission(id=new_id("perm"), name=name, public=name in public) for name in (*scopes, *public)]
        row = Resource(
            id=new_id("res"),
            identifier=identifier,
            name=identifier,
            access_token_ttl=ttl,
            created_at=self.clock(),
            permissions=own,
        )
        return self._add(identifier, row)

    def role(self, name: str, type: str, *scopes: str) -> str:
        """Make a role with these scopes."""
        with self.store.transaction() as session:
            given = list(session.scalars(select(Permission).where(Permission.name.in_(scopes))))
            row = Role(id=new_id("role"), name=name, type=type, created_at=self.clock(), permissions=given)
            session.add(row)
        return row.id

    def user(self, username: str, *roles: str) -> str:
        """Make a user with these roles; return the row id."""
        row = User(id=new_id("usr"), username=username, created_at=self.clock())
        return self._with_roles(username, row, roles)

    def client(self, client_id: str, *roles: str, method: str = "client_secret_basic", **values: Any) -> str:
        """Make a client with these roles and values; return the row id."""
        row = Client(
            id=new_id("cli"),
            client_id=client_id,
            name=client_id,
            token_endpoint_auth_method=method,
            created_at=self.clock(),
            **values,
        )
        return self._with_roles(client_id, row, roles)

    def client_secret(self, client_id: str, **values: Any) -> str:
        """Add a secret to a client, and return it."""
        secret = mint(Prefix.CLIENT_SECRET)
        with self.store.transaction() as session:
            session.add(
                ClientSecret(
                    id=new_id("sec"),
                    client_id=self._rows[client_id],
                    digest=digest(secret),
                    hint=hint(secret),
                    created_at=self.clock(),
                    **values,
                )
            )
        return secret

    def pat(
        self,
        username: str,
        *scopes: str,
        name: str = "laptop",
        lifetime: AskedLifetime | None = None,
        actor: Actor = OPERATOR,
    ) -> tuple[TokenView, str]:
        """Issue a PAT."""
        new = NewToken(name, scopes, lifetime or AskedLifetime())
        view, issued = self.actions.personal_access_tokens.create(actor, self._rows[username], new)
        return view, issued.token

    def key(self, identifier: str = ORDERS, actor: Actor = OPERATOR, **terms: Any) -> tuple[KeyView, str]:
        """Issue an API key."""
        view, issued = self.actions.api_keys.create(actor, NewKey(name="a key", resource=identifier, **terms))
        return view, issued.token

    def m2m(self, client_id: str, scope: str | None = None, *resources: str) -> str:
        """Issue a client-credentials token."""
        issue = self.actions.issue_machine_token
        return issue.sign(issue.decide(self._rows[client_id], client_id, scope, resources)).token

    def app(self, client_id: str, **values: Any) -> str:
        """Make a public client with the grants of users; return the row id."""
        grants = {"grant_types": ["authorization_code", "refresh_token"], "redirect_uris": ["https://app.example/cb"]}
        return self.client(client_id, method="none", **(grants | values))

    def delegate(self, username: str, client_id: str, scope: str | None = None, *resources: str) -> AppTokens:
        """Agree for a user to all that an app asks for, and redeem the code."""
        actions, user = self.actions, Actor("user", self._rows[username], username)
        client = actions.authenticate_client.find(client_id)
        question = actions.consents.question(user.id, client, scope, resources)
        granted = actions.consents.agree(user, question, {one.name for one in question.scopes})
        code = actions.codes.issue(user, client, CodeTerms(granted, None, "challenge"))
        return actions.codes.redeem(Actor("client", client_id), client, code)

    def exchange(
        self,
        token: str,
        scope: str | None = None,
        *resources: str,
        type: str = ACCESS_TOKEN,
        client_id: str | None = None,
        address: Address | None = None,
    ) -> str:
        """Exchange a PAT or an API key for a JWT."""
        return self.actions.exchange_token(token, type, scope, resources, client_id, address).token

    def verified(self, token: str) -> Claims:
        """Return the claims of a token that must be active."""
        claims = self.actions.verify(token)
        assert claims is not None
        return claims

    def scope(self, token: str) -> str | None:
        """Return the scope of a token now, or None if it is not active."""
        claims = self.actions.verify(token)
        return None if claims is None else str(claims.scopes)

    def active(self, token: str) -> bool:
        return self.actions.verify(token) is not None

    def give(self, role: str, *scopes: str) -> None:
        """Add scopes to a role."""
        with self.store.transaction() as session:
            row = session.scalars(select(Role).where(Role.name == role)).one()
            row.permissions.extend(session.scalars(select(Permission).where(Permission.name.in_(scopes))))

    def assign(self, owner: str, *roles: str) -> None:
        """Set the roles of a user or client."""
        with self.store.transaction() as session:
            row = session.get(User, self._rows[owner]) or session.get_one(Client, self._rows[owner])
            row.roles = list(session.scalars(select(Role).where(Role.name.in_(roles))))

    def enable(self, owner: str, enabled: bool) -> None:
        """Enable or disable a user or client."""
        with self.store.transaction() as session:
            row = session.get(User, self._rows[owner]) or session.get_one(Client, self._rows[owner])
            row.enabled = enabled

    def delete(self, owner: str) -> None:
        """Delete a user, client or resource."""
        with self.store.transaction() as session:
            for table in (User, Client, Resource):
                session.execute(delete(table).where(table.id == self._rows[owner]))

    def drop_role(self, name: str) -> None:
        with self.store.transaction() as session:
            session.execute(delete(Role).where(Role.name == name))

    def drop_permission(self, name: str) -> None:
        with self.store.transaction() as session:
            session.execute(delete(Permission).where(Permission.name == name))

    def add_permission(self, identifier: str, name: str, public: bool = False) -> None:
        with self.store.transaction() as session:
            row = Permission(id=new_id("perm"), resource_id=self._rows[identifier], name=name, public=public)
            session.add(row)

    def publish(self, name: str, public: bool) -> None:
        """Set whether a permission is public."""
        with self.store.transaction() as session:
            session.execute(update(Permission).where(Permission.name == name).values(public=public))

    def trace(self, action: str | None = None) -> list[AuditEvent]:
        """Return the audit events, oldest first."""
        query = select(AuditEvent).order_by(AuditEvent.id)
        with self.store.reading() as session:
            return list(session.scalars(query.where(AuditEvent.action == action) if action else query))

    def count(self, table: type[Base]) -> int:
        with self.store.reading() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0

    def row_id(self, name: str) -> str:
        """Return the row id of a user, client or resource by its name."""
        return self._rows[name]

    def _add(self, name: str, row: Resource | User | Client) -> str:
        with self.store.transaction() as session:
            session.add(row)
        self._rows[name] = row.id
        return row.id

    def _with_roles(self, name: str, row: User | Client, roles: Sequence[str]) -> str:
        self._add(name, row)
        self.assign(name, *roles)
        return row.id


def contents(token: str) -> dict[str, Any]:
    """Return the claims of a JWT, unverified."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def start_core(folder: Path, further_kinds: FurtherKinds | None = None, **changed: Any) -> Core:
    """Make a core with signing keys on the database of `folder`; dispose of its store afterwards."""
    core = _open(folder, further_kinds, **changed)
    Base.metadata.create_all(core.store.engine)
    with core.store.transaction() as session:
        core.actions.signing_keys.ensure(session, core.clock())
    return core


def _open(folder: Path, further_kinds: FurtherKinds | None = None, **changed: Any) -> Core:
    database = database_in(folder)
    settings = Settings(instance_dir=folder, issuer=ISSUER, secret_key="k" * 40, **database.settings, **changed)
    clock = MutableClock()
    store = Store(create_engine(settings.database_url))
    return Core(join(settings, store, clock, DatabaseLimiter(store, clock), further_kinds), clock, database)


def furnish(core: Core) -> None:
    """Make two resources; alice (role `clerk`) and the client `robot` (role `worker`) have every scope."""
    core.resource(ORDERS, "orders:read", "orders:write", public=["orders:list"])
    core.resource(STOCK, "stock:read", ttl=600)
    everything = ("orders:read", "orders:write", "orders:list", "stock:read")
    core.role("clerk", "user", *everything)
    core.role("worker", "machine", *everything)
    core.user("alice", "clerk")
    core.client("robot", "worker")


@dataclass
class Templates:
    """Databases to copy: one with tables and signing keys only, and a furnished one with its row ids."""

    blank: Database
    furnished: Database
    rows: dict[str, str]


_made: dict[str, Templates] = {}


def _templates(folders: pytest.TempPathFactory) -> Templates:
    """Return the templates on the database of the running test; make them once."""
    if chosen() not in _made:
        blank, furnished = start_core(folders.mktemp("blank")), start_core(folders.mktemp("furnished"))
        furnish(furnished)
        for core in (blank, furnished):
            _close(core)
        _made[chosen()] = Templates(blank.database, furnished.database, furnished._rows)
    return _made[chosen()]


def _close(core: Core) -> None:
    core.actions.usage.stop()
    core.store.dispose()


@pytest.fixture
def blank_database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A database with its tables and signing keys, to copy."""
    return _templates(tmp_path_factory).blank


@pytest.fixture
def empty_core(tmp_path: Path, blank_database: Database, further_kinds: FurtherKinds | None) -> Iterator[Core]:
    """A core without users, clients and resources."""
    blank_database.copy_to(tmp_path)
    made = _open(tmp_path, further_kinds)
    yield made
    _close(made)


@pytest.fixture
def core(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, further_kinds: FurtherKinds | None
) -> Iterator[Core]:
    """Two resources; alice (`clerk`) and the client `robot` (`worker`) have every scope; `orders:list` is public."""
    templates = _templates(tmp_path_factory)
    templates.furnished.copy_to(tmp_path)
    made = replace(_open(tmp_path, further_kinds), _rows=dict(templates.rows))
    yield made
    _close(made)
