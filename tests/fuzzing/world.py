"""The model: all that is there, and what every answer must therefore be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fuzzing.things import (
    Claims,
    Client,
    Jwt,
    Key,
    Pat,
    Permission,
    Resource,
    Role,
    Token,
    User,
    whole,
)

LOOPBACK = "127.0.0.1"
ASKS = "introspect"  # the scope of who may ask about everything
INACTIVE: dict[str, Any] = {"active": False}


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

    def __post_init__(self) -> None:
        self.own = Resource("", f"{self.issuer}/api/v1", 3600)
        self.own.permissions.append(Permission(ASKS, self.own, False))

    @property
    def giveable(self) -> list[Permission]:
        """All that roles can give; one of our own API is among them."""
        return [*self.permissions, *self.own.permissions]

    @property
    def permissions(self) -> list[Permission]:
        """All that are there."""
        return [permission for resource in self.resources for permission in resource.permissions]

    @property
    def credentials(self) -> list[Pat | Key | Jwt]:
        """All that somebody holds a token of, and what these were exchanged for."""
        held = [token.of for token in self.tokens]
        return list(dict.fromkeys([*held, *(of.source for of in held if isinstance(of, Jwt) and of.source)]))

    def drop_dormant(self) -> None:
        """Drop from each personal access token what its user lost by a demotion."""
        for credential in self.credentials:
            if isinstance(credential, Pat):
                credential.drop_dormant(self.own)

    def introspected(self, token: Token, served: Iterable[str] | None, client_ip: str | None = None) -> dict[str, Any]:
        """Say what the answer must be, to a caller who serves these resources (None: to one who sees all)."""
        claims = self.believes(token, token.claims(self.now))
        if claims is not None and served is not None:
            claims = claims.cut_to(served)
        if claims is None or not claims.allows(client_ip):
            return INACTIVE
        window = token.spend(self.now)
        if window is not None and not window.admitted:
            return INACTIVE
        stands = {name: value for name, value in vars(window).items() if name != "admitted"} if window else {}
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
            **({"rate_limit": stands} if stands else {}),
        }

    def may_ask(self, token: Token) -> int:
        """Say how a token is received that is itself the Bearer of an introspection: with which status."""
        claims = token.claims(self.now)
        own = claims.cut_to([self.own.identifier]) if claims and claims.kind != "api_key" else None
        return 401 if own is None else 200 if (self.own.identifier, ASKS) in own.scopes else 403

    def forwarded(self, token: Token, identifier: str, needed: str | None) -> tuple[int, dict[str, str]]:
        """Say what a gateway on this machine must be told: the status, and the six headers of a 200."""
        claims = self.believes(token, token.claims(self.now))
        claims = claims.cut_to([identifier]) if claims else None
        if claims is None:
            return 401, {}
        if not claims.allows(LOOPBACK) or (needed is not None and (identifier, needed) not in claims.scopes):
            return 403, {}
        window = token.spend(self.now)
        if window is not None and not window.admitted:
            return 429, {"Retry-After": str(window.reset_seconds)}
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
        window = token.spend(self.now)
        if window is not None and not window.admitted:
            return "temporarily_unavailable"
        return Grant(audience, frozenset(name for _, name in chosen), datetime.fromtimestamp(end, UTC))

    def _ends(self, audience: tuple[str, ...]) -> datetime:
        shortest = min(resource.ttl for resource in [*self.resources, self.own] if resource.identifier in audience)
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
        owners: list[User | Client] = [*self.users, *self.clients]
        for owner in owners:
            owner.roles = [kept for kept in owner.roles if kept is not role]


@dataclass(frozen=True)
class Grant:
    """What the token endpoint must answer."""

    audience: tuple[str, ...]
    names: frozenset[str]
    ends_at: datetime
