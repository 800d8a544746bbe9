"""The model: all objects, and the response that each request must get."""

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
    epoch_seconds,
)

LOOPBACK = "127.0.0.1"
ASKS = "introspect"  # the scope that allows introspection of every token
INACTIVE: dict[str, Any] = {"active": False}


@dataclass
class World:
    """All objects, and the time."""

    issuer: str
    now: datetime
    resources: list[Resource] = field(default_factory=list)
    roles: list[Role] = field(default_factory=list)
    users: list[User] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    alter_claims: Callable[[Token, Claims | None], Claims | None] = lambda _token, claims: claims

    def __post_init__(self) -> None:
        self.own = Resource("", f"{self.issuer}/api/v1", 3600)
        self.own.permissions.append(Permission(ASKS, self.own, False))

    @property
    def giveable(self) -> list[Permission]:
        """All permissions that a role can have, with one of the management API."""
        return [*self.permissions, *self.own.permissions]

    @property
    def permissions(self) -> list[Permission]:
        """All permissions of the resources."""
        return [permission for resource in self.resources for permission in resource.permissions]

    @property
    def credentials(self) -> list[Pat | Key | Jwt]:
        """All credentials of the tokens, and the credentials that were exchanged for them."""
        held = [token.of for token in self.tokens]
        return list(dict.fromkeys([*held, *(of.source for of in held if isinstance(of, Jwt) and of.source)]))

    def drop_dormant(self) -> None:
        """Remove from each personal access token the scopes of the management API that its user lost."""
        for credential in self.credentials:
            if isinstance(credential, Pat):
                credential.drop_dormant(self.own)

    def expected_claims(
        self, token: Token, served: Iterable[str] | None, client_ip: str | None = None
    ) -> dict[str, Any]:
        """Return the expected introspection for a caller that serves these resources; None: one that sees all."""
        claims = self.alter_claims(token, token.claims(self.now))
        if claims is not None and served is not None:
            claims = claims.cut_to(served)
        if claims is None or not claims.allows(client_ip):
            return INACTIVE
        window = token.spend(self.now)
        if window is not None and not window.admitted:
            return INACTIVE
        limit = {name: value for name, value in vars(window).items() if name != "admitted"} if window else {}
        ends = {} if claims.expires_at is None else {"exp": epoch_seconds(claims.expires_at)}
        return {
            "active": True,
            "credential_type": claims.kind,
            "token_type": "Bearer",
            "scope": claims.scope,
            "aud": list(claims.audience),
            "iss": self.issuer,
            "iat": epoch_seconds(claims.issued_at),
            "jti": claims.id,
            **ends,
            **claims.owner,
            **({"rate_limit": limit} if limit else {}),
        }

    def expected_status(self, token: Token) -> int:
        """Return the expected status when this token is the Bearer credential of an introspection."""
        claims = token.claims(self.now)
        own = claims.cut_to([self.own.identifier]) if claims and claims.kind != "api_key" else None
        return 401 if own is None else 200 if (self.own.identifier, ASKS) in own.scopes else 403

    def expected_forward_auth(self, token: Token, identifier: str, needed: str | None) -> tuple[int, dict[str, str]]:
        """Return the expected status and headers of forward-auth for a gateway on this machine."""
        claims = self.alter_claims(token, token.claims(self.now))
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
        """Return the future instants at which something expires."""
        ends = [of.expires_at for of in self.credentials]
        ends += [secret.ends_at for of in self.credentials if isinstance(of, Key) for secret in of.secrets]
        ends += [secret.ends_at for client in self.clients for secret in client.secrets]
        return (end for end in sorted({end for end in ends if end is not None}) if end > self.now)

    def expected_grant(self, client: Client, asked: frozenset[str], named: tuple[str, ...]) -> Grant | str:
        """Return the expected grant of client credentials (RFC 6749 §4.4, RFC 8707), or the error."""
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

    def expected_exchange(self, token: Token, asked: frozenset[str], named: tuple[str, ...]) -> Grant | str:
        """Return the expected grant of an exchange of a PAT or an API key (RFC 8693), or the error."""
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
        end = min(epoch_seconds(end) for end in ends if end is not None)
        if end <= epoch_seconds(self.now):
            return "invalid_request"
        window = token.spend(self.now)
        if window is not None and not window.admitted:
            return "temporarily_unavailable"
        return Grant(audience, frozenset(name for _, name in chosen), datetime.fromtimestamp(end, UTC))

    def _ends(self, audience: tuple[str, ...]) -> datetime:
        shortest = min(resource.ttl for resource in [*self.resources, self.own] if resource.identifier in audience)
        return datetime.fromtimestamp(epoch_seconds(self.now + timedelta(seconds=shortest)), UTC)

    # --- deletions

    def drop_permission(self, permission: Permission) -> None:
        """Delete a permission from every role and key; a PAT keeps its audience."""
        permission.resource.permissions.remove(permission)
        for role in self.roles:
            role.permissions = [kept for kept in role.permissions if kept is not permission]
        for of in self.credentials:
            if isinstance(of, Key) and of.subset is not None:
                of.subset = [kept for kept in of.subset if kept is not permission]

    def drop_resource(self, resource: Resource) -> None:
        """Delete a resource and its permissions, revoke its keys, and remove it from every PAT."""
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
        """Delete a role from its users and clients."""
        self.roles.remove(role)
        owners: list[User | Client] = [*self.users, *self.clients]
        for owner in owners:
            owner.roles = [kept for kept in owner.roles if kept is not role]


@dataclass(frozen=True)
class Grant:
    """What the token endpoint must issue."""

    audience: tuple[str, ...]
    names: frozenset[str]
    ends_at: datetime
