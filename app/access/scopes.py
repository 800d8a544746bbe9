"""Scopes and grants: values with set arithmetic (RFC 6749 §3.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6749 §3.3: printable ASCII but for space, " and \
MAX_SCOPE_LENGTH = 200


class MalformedScope(ValueError):
    """A scope string that RFC 6749 §3.3 does not allow."""


def is_scope_name(name: str) -> bool:
    """Return whether a name can be one scope on the wire."""
    return len(name) <= MAX_SCOPE_LENGTH and SCOPE_TOKEN.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Scopes:
    """A set of scope names; `str()` is the wire form, sorted so that the same set always reads the same."""

    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, *names: str) -> Scopes:
        """Return the set of these names."""
        return cls(frozenset(names))

    @classmethod
    def parse(cls, text: str) -> Scopes:
        """Read a space-separated wire value; raises MalformedScope (RFC 6749 §3.3)."""
        names = [name for name in text.split(" ") if name]
        if not all(is_scope_name(name) for name in names):
            raise MalformedScope("a scope holds characters that are not allowed, or is too long")
        return cls(frozenset(names))

    def __str__(self) -> str:
        return " ".join(sorted(self.names))

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.names))

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __and__(self, other: Scopes) -> Scopes:
        return Scopes(self.names & other.names)

    def __or__(self, other: Scopes) -> Scopes:
        return Scopes(self.names | other.names)

    def __sub__(self, other: Scopes) -> Scopes:
        return Scopes(self.names - other.names)

    def __le__(self, other: Scopes) -> bool:
        return self.names <= other.names


@dataclass(frozen=True, slots=True)
class Grants:
    """Which scopes on which resource identifiers: what roles give, or what a credential was granted."""

    by_resource: Mapping[str, Scopes] = field(default_factory=dict)

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Grants:
        """Return grants from (resource identifier, scope name) pairs."""
        gathered: dict[str, set[str]] = {}
        for identifier, name in pairs:
            gathered.setdefault(identifier, set()).add(name)
        return cls({identifier: Scopes(frozenset(names)) for identifier, names in gathered.items()})

    @property
    def audience(self) -> tuple[str, ...]:
        """The resource identifiers, sorted."""
        return tuple(sorted(self.by_resource))

    @property
    def scopes(self) -> Scopes:
        """All the scopes, whatever their resource."""
        if len(self.by_resource) == 1:
            return next(iter(self.by_resource.values()))
        return Scopes(frozenset().union(*(scopes.names for scopes in self.by_resource.values())))

    def on(self, audience: Iterable[str]) -> Grants:
        """Keep only the scopes on these resources."""
        return Grants({i: self.by_resource[i] for i in audience if i in self.by_resource})

    def only(self, scopes: Scopes) -> Grants:
        """Keep only these scopes; a resource left without one goes too."""
        kept = {i: mine & scopes for i, mine in self.by_resource.items()}
        return Grants({i: mine for i, mine in kept.items() if mine})

    def resource_of(self, name: str) -> str | None:
        """Return the resource that a granted scope belongs to, None when it is not granted."""
        return next((i for i, scopes in self.by_resource.items() if name in scopes), None)
