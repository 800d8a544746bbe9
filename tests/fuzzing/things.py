"""The objects of the model: permissions, owners and credentials, and the claims of a credential at an instant.

Written from the contract alone; nothing of the server is imported.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from math import ceil
from typing import Any

KEYS_KEPT = timedelta(days=1, minutes=1)  # a token lives for a day at most


def epoch_seconds(moment: datetime) -> int:
    """Return an instant in whole seconds since 1970, rounded down, as in JSON."""
    return int(moment.timestamp())


def is_over(moment: datetime | None, now: datetime) -> bool:
    """Return whether the end has been reached; at that instant itself it has."""
    return moment is not None and moment <= now


@dataclass(eq=False)
class Permission:
    """A scope of a resource."""

    name: str
    resource: Resource
    public: bool


@dataclass(eq=False)
class Resource:
    """An API; `row` is its id in the management API, as in all classes here."""

    row: str
    identifier: str
    ttl: int
    permissions: list[Permission] = field(default_factory=list)


@dataclass(eq=False)
class Role:
    """A named set of permissions."""

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

    @property
    def held(self) -> set[Permission]:
        """Return the permissions of all roles."""
        return {permission for role in self.roles for permission in role.permissions}


@dataclass(eq=False)
class ClientSecret:
    """One of the secrets of a client."""

    row: str
    text: str
    ends_at: datetime | None = None
    revoked: bool = False

    def live(self, now: datetime) -> bool:
        """Return whether the secret is valid."""
        return not self.revoked and not is_over(self.ends_at, now)


@dataclass(eq=False)
class Client:
    """A client; it may be the resource server of some resources."""

    row: str
    client_id: str
    roles: list[Role] = field(default_factory=list)
    serves: list[Resource] = field(default_factory=list)
    secrets: list[ClientSecret] = field(default_factory=list)
    enabled: bool = True
    deleted: bool = False

    @property
    def can_authenticate(self) -> bool:
        """Return whether the client may authenticate."""
        return self.enabled and not self.deleted


@dataclass(frozen=True)
class Claims:
    """The claims of an active credential; `scopes` are pairs of a resource identifier and a name."""

    kind: str
    id: str
    audience: tuple[str, ...]
    scopes: frozenset[tuple[str, str]]
    issued_at: datetime
    expires_at: datetime | None
    owner: dict[str, Any]
    networks: tuple[str, ...] = ()

    def cut_to(self, served: Iterable[str]) -> Claims | None:
        """Return the claims for these resources only; None when no audience is left."""
        seen = set(served)
        audience = tuple(one for one in self.audience if one in seen)
        scopes = frozenset(pair for pair in self.scopes if pair[0] in seen)
        return Claims(**{**vars(self), "audience": audience, "scopes": scopes}) if audience else None

    def allows(self, address: str | None) -> bool:
        """Return whether a use from this address is allowed; with networks, one from an unknown address is not."""
        if not self.networks or address is None:
            return not self.networks
        return any(ip_address(address) in ip_network(one) for one in self.networks)

    @property
    def scope(self) -> str:
        """Return the names of the scopes as a space-separated string."""
        return " ".join(sorted({name for _, name in self.scopes}))


@dataclass(eq=False)
class Pat:
    """A personal access token with all its secrets; only the last one is valid."""

    row: str
    name: str
    user: User
    chosen: list[tuple[Permission, Resource]]
    issued_at: datetime
    expires_at: datetime | None
    secrets: list[str]
    revoked: bool = False

    def drop_dormant(self, own: Resource) -> None:
        """Remove for good the scopes of the management API that the user's roles no longer grant."""
        gone = Permission("", own, False)
        self.chosen = [(p if r is not own or p in self.user.held else gone, r) for p, r in self.chosen]

    def claims(self, secret: int, now: datetime) -> Claims | None:
        """Return the claims for the secret of this number, None when it is inactive."""
        dead = self.revoked or is_over(self.expires_at, now) or self.user.deleted or not self.user.enabled
        if dead or secret != len(self.secrets) - 1:
            return None
        held = self.user.held
        scopes = frozenset((p.resource.identifier, p.name) for p, _ in self.chosen if p in held)
        audience = tuple(sorted({resource.identifier for _, resource in self.chosen}))
        owner = {"sub": self.user.row, "username": self.user.username}
        return Claims("personal_access_token", self.row, audience, scopes, self.issued_at, self.expires_at, owner)


@dataclass(frozen=True)
class Window:
    """The state of a key's rate limit after a use."""

    admitted: bool
    limit: int
    remaining: int
    reset_seconds: int


@dataclass(eq=False)
class KeySecret:
    """A secret of a key; `ends_at` is the end of its overlap."""

    text: str
    made_at: datetime
    ends_at: datetime | None = None


@dataclass(eq=False)
class Key:
    """An API key; with `subset` None it has all public permissions."""

    row: str
    resource: Resource
    subset: list[Permission] | None
    secrets: list[KeySecret]
    expires_at: datetime | None
    networks: tuple[str, ...] = ()
    limit: tuple[int, int] | None = None  # uses, window in seconds
    spent: dict[tuple[int, int], tuple[int, datetime]] = field(default_factory=dict)  # uses, end of the window
    enabled: bool = True
    revoked: bool = False

    def spend(self, now: datetime) -> Window | None:
        """Count a use, and return the state of the limit; None without a limit. A window begins with its first use."""
        if self.limit is None:
            return None
        uses, ends_at = self.spent.get(self.limit, (0, now))
        if is_over(ends_at, now):
            uses, ends_at = 0, now + timedelta(seconds=self.limit[1])
        self.spent[self.limit] = uses + 1, ends_at
        left = max(1, ceil((ends_at - now).total_seconds()))
        return Window(uses < self.limit[0], self.limit[0], max(0, self.limit[0] - uses - 1), left)

    def claims(self, secret: int, now: datetime) -> Claims | None:
        """Return the claims for the secret of this number, None when it is inactive."""
        used = self.secrets[secret]
        if self.revoked or not self.enabled or is_over(self.expires_at, now) or is_over(used.ends_at, now):
            return None
        public = [p for p in self.resource.permissions if p.public and (self.subset is None or p in self.subset)]
        here = self.resource.identifier
        scopes = frozenset((here, p.name) for p in public)
        return Claims("api_key", self.row, (here,), scopes, used.made_at, self.expires_at, {}, self.networks)


@dataclass(eq=False)
class Jwt:
    """A JWT, which is not stored: what was signed, and the client or the credential that it was issued for."""

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
        """Return the claims, None when inactive: what was signed, reduced to what the client or the source has now."""
        if (
            self.denied
            or is_over(self.expires_at, now)
            or (self.client is not None and not self.client.can_authenticate)
        ):
            return None
        return self._of_client() if self.source is None else self._of_source(self.source, now)

    def _of_client(self) -> Claims:
        assert self.client is not None
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


@dataclass(frozen=True)
class Token:
    """The string of a credential, and the number of its secret."""

    text: str
    of: Pat | Key | Jwt
    secret: int = 0

    def claims(self, now: datetime) -> Claims | None:
        """Return the claims, None when the token is inactive."""
        return self.of.claims(now) if isinstance(self.of, Jwt) else self.of.claims(self.secret, now)

    def spend(self, now: datetime) -> Window | None:
        """Count a use of the API key that this is or was exchanged from."""
        key = self.of.source if isinstance(self.of, Jwt) else self.of
        return key.spend(now) if isinstance(key, Key) else None

    def states(self, now: datetime) -> set[str]:
        """Return the statuses that an inspection may report.

        Some time after its expiry a revoked JWT is reported as expired. Once the key that signed it is deleted, it is
        reported as unknown.
        """
        if self.claims(now) is not None:
            return {"active"}
        if isinstance(self.of, Jwt):
            ended, no_key = is_over(self.of.expires_at, now), is_over(self.of.issued_at + KEYS_KEPT, now)
            states = {"revoked", "expired"} if self.of.denied and ended else {self._why(self.of.denied, ended)}
            return states | {"unknown"} if no_key else states
        if isinstance(self.of, Pat) and (self.of.user.deleted or self.secret != len(self.of.secrets) - 1):
            return {"unknown"}
        disabled = not (self.of.user.enabled if isinstance(self.of, Pat) else self.of.enabled)
        return {self._why(self.of.revoked, is_over(self.of.expires_at, now), disabled, "superseded")}

    def _why(self, revoked: bool, ended: bool, disabled: bool = True, rest: str = "") -> str:
        return "revoked" if revoked else "expired" if ended else "disabled" if disabled else rest
