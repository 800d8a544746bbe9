"""The model: who has which rights and which credentials, and what introspection must therefore say at an instant.

Written from the contract alone, without a line of the server: sets, instants and sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

LOOPBACK = "127.0.0.1"
INACTIVE: dict[str, Any] = {"active": False}


def whole(moment: datetime) -> int:
    """Give an instant as the wire does: whole seconds, rounded down."""
    return int(moment.timestamp())


@dataclass(eq=False)
class Permission:
    """A scope of a resource."""

    name: str
    resource: Resource
    public: bool


@dataclass(eq=False)
class Resource:
    """An API; `row` is its id in the management API, as everywhere here."""

    row: str
    identifier: str
    ttl: int
    permissions: list[Permission] = field(default_factory=list)


@dataclass(eq=False)
class Role:
    """A bundle of permissions."""

    row: str
    name: str
    type: str
    permissions: list[Permission] = field(default_factory=list)


@dataclass(eq=False)
class User:
    """A person."""

    row: str
    username: str
    password: str
    roles: list[Role] = field(default_factory=list)
    enabled: bool = True
    deleted: bool = False


@dataclass(eq=False)
class ClientSecret:
    """One of the secrets of a client."""

    row: str
    text: str
    ends_at: datetime | None = None
    revoked: bool = False

    def live(self, now: datetime) -> bool:
        """Tell whether it still proves anything."""
        return not self.revoked and not over(self.ends_at, now)


@dataclass(eq=False)
class Client:
    """A machine, and the resource server of what it serves."""

    row: str
    client_id: str
    roles: list[Role] = field(default_factory=list)
    serves: list[Resource] = field(default_factory=list)
    secrets: list[ClientSecret] = field(default_factory=list)
    enabled: bool = True
    deleted: bool = False

    @property
    def stands(self) -> bool:
        """Tell whether it can prove itself at all."""
        return self.enabled and not self.deleted


@dataclass(frozen=True)
class Claims:
    """What an active credential says of itself; `scopes` are pairs of identifier and name."""

    kind: str
    id: str
    audience: tuple[str, ...]
    scopes: frozenset[tuple[str, str]]
    issued_at: datetime
    expires_at: datetime | None
    owner: dict[str, Any]
    networks: tuple[str, ...] = ()

    def cut_to(self, served: Iterable[str]) -> Claims | None:
        """Keep what concerns these resources."""
        seen = set(served)
        audience = tuple(one for one in self.audience if one in seen)
        scopes = frozenset(pair for pair in self.scopes if pair[0] in seen)
        return Claims(**{**vars(self), "audience": audience, "scopes": scopes}) if audience else None

    def allows(self, address: str) -> bool:
        """Tell whether it may be used from there."""
        return not self.networks or any(ip_address(address) in ip_network(one) for one in self.networks)

    @property
    def scope(self) -> str:
        """Give the names as the wire does."""
        return " ".join(sorted({name for _, name in self.scopes}))


@dataclass(eq=False)
class Pat:
    """A personal access token with all its secrets, the last of which is the one that works."""

    row: str
    name: str
    user: User
    chosen: list[tuple[Permission, Resource]]
    issued_at: datetime
    expires_at: datetime | None
    secrets: list[str]
    revoked: bool = False

    def claims(self, secret: int, now: datetime) -> Claims | None:
        """Say what the secret of this number is good for."""
        dead = self.revoked or over(self.expires_at, now) or self.user.deleted or not self.user.enabled
        if dead or secret != len(self.secrets) - 1:
            return None
        held = {permission for role in self.user.roles for permission in role.permissions}
        scopes = frozenset((p.resource.identifier, p.name) for p, _ in self.chosen if p in held)
        audience = tuple(sorted({resource.identifier for _, resource in self.chosen}))
        owner = {"sub": self.user.row, "username": self.user.username}
        return Claims("personal_access_token", self.row, audience, scopes, self.issued_at, self.expires_at, owner)


@dataclass(eq=False)
class KeySecret:
    """A secret of a key; `ends_at` is the end of its overlap."""

    text: str
    made_at: datetime
    ends_at: datetime | None = None


@dataclass(eq=False)
class Key:
    """An API key; `subset` None is all that is public."""

    row: str
    resource: Resource
    subset: list[Permission] | None
    secrets: list[KeySecret]
    expires_at: datetime | None
    networks: tuple[str, ...] = ()
    enabled: bool = True
    revoked: bool = False

    def claims(self, secret: int, now: datetime) -> Claims | None:
        """Say what the secret of this number is good for."""
        used = self.secrets[secret]
        if self.revoked or not self.enabled or over(self.expires_at, now) or over(used.ends_at, now):
            return None
        public = [p for p in self.resource.permissions if p.public and (self.subset is None or p in self.subset)]
        here = self.resource.identifier
        scopes = frozenset((here, p.name) for p in public)
        return Claims("api_key", self.row, (here,), scopes, used.made_at, self.expires_at, {}, self.networks)


@dataclass(eq=False)
class Jwt:
    """A token that keeps itself: what was signed, and what it stands on."""

    id: str
    text: str
    client: Client | None
    audience: tuple[str, ...]
    names: frozenset[str]
    issued_at: datetime
    expires_at: datetime
    source: Pat | Key | None = None
    secret: int = 0
    denied: bool = False

    def claims(self, now: datetime) -> Claims | None:
        """Say what it is good for: never more than was signed, nor than what it stands on gives now."""
        if self.denied or over(self.expires_at, now) or (self.client is not None and not self.client.stands):
            return None
        return self._of_client() if self.source is None else self._of_source(self.source, now)

    def _of_client(self) -> Claims:
        assert self.client is not None  # noqa: S101 - who else would it have been issued to
        given = {(p.resource.identifier, p.name) for role in self.client.roles for p in role.permissions}
        owner = {"sub": self.client.client_id, "client_id": self.client.client_id}
        return self._within("client_credentials", frozenset(given), self.audience, owner, ())

    def _of_source(self, source: Pat | Key, now: datetime) -> Claims | None:
        found = source.claims(self.secret, now)
        if found is None:
            return None
        acting = {"act": {"sub": self.client.client_id}} if self.client else {}
        audience = tuple(one for one in self.audience if one in found.audience)
        owner = found.owner | {"exchanged": True} | acting
        return self._within(found.kind, found.scopes, audience, owner, found.networks)

    def _within(
        self,
        kind: str,
        given: frozenset[tuple[str, str]],
        audience: tuple[str, ...],
        owner: dict[str, Any],
        networks: tuple[str, ...],
    ) -> Claims:
        scopes = frozenset(pair for pair in given if pair[0] in audience and pair[1] in self.names)
        return Claims(kind, self.id, audience, scopes, self.issued_at, self.expires_at, owner, networks)


def over(moment: datetime | None, now: datetime) -> bool:
    """Tell whether this instant has come; at it, a thing is over."""
    return moment is not None and moment <= now


@dataclass(frozen=True)
class Token:
    """A string somebody holds, and how to know what it is good for."""

    text: str
    of: Pat | Key | Jwt
    secret: int = 0

    def claims(self, now: datetime) -> Claims | None:
        """Say what it is good for."""
        return self.of.claims(now) if isinstance(self.of, Jwt) else self.of.claims(self.secret, now)


@dataclass
class World:
    """All that is there, and the time."""

    issuer: str
    now: datetime
    resources: list[Resource] = field(default_factory=list)
    roles: list[Role] = field(default_factory=list)
    users: list[User] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    believes: Callable[[Token, Claims | None], Claims | None] = lambda _token, claims: claims

    @property
    def permissions(self) -> list[Permission]:
        """All that are there."""
        return [permission for resource in self.resources for permission in resource.permissions]

    @property
    def credentials(self) -> list[Pat | Key | Jwt]:
        """All that somebody holds a token of, and what these were exchanged for."""
        held = [token.of for token in self.tokens]
        return list(dict.fromkeys([*held, *(of.source for of in held if isinstance(of, Jwt) and of.source)]))

    def introspected(self, token: Token, served: Iterable[str] | None, client_ip: str | None = None) -> dict[str, Any]:
        """Say what the answer must be, to a caller who serves these resources (None: to one who sees all)."""
        claims = self.believes(token, token.claims(self.now))
        if claims is not None and served is not None:
            claims = claims.cut_to(served)
        if claims is None or (client_ip is not None and not claims.allows(client_ip)):
            return INACTIVE
        ends = {} if claims.expires_at is None else {"exp": whole(claims.expires_at)}
        return {
            "active": True,
            "credential_type": claims.kind,
            "token_type": "Bearer",
            "scope": claims.scope,
            "aud": list(claims.audience),
            "iss": self.issuer,
            "iat": whole(claims.issued_at),
            "jti": claims.id,
            **ends,
            **claims.owner,
        }

    def forwarded(self, token: Token, identifier: str, needed: str | None) -> tuple[int, dict[str, str]]:
        """Say what a gateway on this machine must be told: the status, and the six headers of a 200."""
        claims = self.believes(token, token.claims(self.now))
        claims = claims.cut_to([identifier]) if claims else None
        if claims is None:
            return 401, {}
        if not claims.allows(LOOPBACK) or (needed is not None and (identifier, needed) not in claims.scopes):
            return 403, {}
        return 200, {
            "X-Auth-Credential-Type": claims.kind,
            "X-Auth-Subject": claims.owner.get("sub", ""),
            "X-Auth-Username": claims.owner.get("username", ""),
            "X-Auth-Client-Id": claims.owner.get("client_id", ""),
            "X-Auth-Scope": claims.scope,
            "X-Auth-Credential-Id": claims.id,
        }

    def moments(self) -> Iterator[datetime]:
        """Give the instants still to come at which time alone changes an answer."""
        ends = [of.expires_at for of in self.credentials]
        ends += [secret.ends_at for of in self.credentials if isinstance(of, Key) for secret in of.secrets]
        ends += [secret.ends_at for client in self.clients for secret in client.secrets]
        return (end for end in sorted({end for end in ends if end is not None}) if end > self.now)

    def granted(self, client: Client, asked: frozenset[str], named: tuple[str, ...]) -> Grant | str:
        """Say what a client gets for its credentials (RFC 6749 §4.4, RFC 8707), or the error."""
        given = {(p.resource.identifier, p.name) for role in client.roles for p in role.permissions}
        reached = {identifier for identifier, _ in given}
        if not given:
            return "invalid_scope"
        if not reached.issuperset(named):
            return "invalid_target"
        if not asked and not named and len(reached) > 1:
            return "invalid_target"
        within = {pair for pair in given if not named or pair[0] in named}
        if not asked <= {name for _, name in within}:
            return "invalid_scope"
        chosen = {pair for pair in within if not asked or pair[1] in asked}
        audience = tuple(sorted({identifier for identifier, _ in chosen} | set(named)))
        return Grant(audience, frozenset(name for _, name in chosen), self._ends(audience))

    def exchanged(self, token: Token, asked: frozenset[str], named: tuple[str, ...]) -> Grant | str:
        """Say what a PAT or an API key is exchanged for (RFC 8693), or the error."""
        claims = token.claims(self.now)
        if isinstance(token.of, Jwt) or claims is None or not claims.allows(LOOPBACK):
            return "invalid_request"
        if not set(named) <= set(claims.audience):
            return "invalid_target"
        within = {pair for pair in claims.scopes if not named or pair[0] in named}
        if not asked <= {name for _, name in within}:
            return "invalid_scope"
        chosen = {pair for pair in within if not asked or pair[1] in asked}
        reached = {identifier for identifier, _ in chosen} if asked else set(claims.audience)
        audience = tuple(sorted(set(named) or reached))
        if not audience:
            return "invalid_target"
        ends = [self._ends(audience), claims.expires_at]
        if isinstance(token.of, Key):
            ends.append(token.of.secrets[token.secret].ends_at)
        end = min(whole(end) for end in ends if end is not None)
        if end <= whole(self.now):
            return "invalid_request"
        return Grant(audience, frozenset(name for _, name in chosen), datetime.fromtimestamp(end, UTC))

    def _ends(self, audience: tuple[str, ...]) -> datetime:
        shortest = min(resource.ttl for resource in self.resources if resource.identifier in audience)
        return datetime.fromtimestamp(whole(self.now + timedelta(seconds=shortest)), UTC)

    # --- what goes, and what goes with it

    def drop_permission(self, permission: Permission) -> None:
        """Take it from every role and key; a PAT keeps the audience that it gave."""
        permission.resource.permissions.remove(permission)
        for role in self.roles:
            role.permissions = [kept for kept in role.permissions if kept is not permission]
        for of in self.credentials:
            if isinstance(of, Key) and of.subset is not None:
                of.subset = [kept for kept in of.subset if kept is not permission]

    def drop_resource(self, resource: Resource) -> None:
        """Take its permissions, revoke its keys, cut it from every PAT."""
        for permission in list(resource.permissions):
            self.drop_permission(permission)
        self.resources.remove(resource)
        for client in self.clients:
            client.serves = [kept for kept in client.serves if kept is not resource]
        for of in self.credentials:
            if isinstance(of, Key) and of.resource is resource:
                of.revoked = True
            if isinstance(of, Pat):
                of.chosen = [kept for kept in of.chosen if kept[1] is not resource]

    def drop_role(self, role: Role) -> None:
        """Take it from whoever has it."""
        self.roles.remove(role)
        for owner in [*self.users, *self.clients]:
            owner.roles = [kept for kept in owner.roles if kept is not role]


@dataclass(frozen=True)
class Grant:
    """What the token endpoint must answer."""

    audience: tuple[str, ...]
    names: frozenset[str]
    ends_at: datetime
