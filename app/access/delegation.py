"""What an app may ever be granted for a user: what the user's roles give, within the ceiling of the client."""

from __future__ import annotations

from collections.abc import Collection

from app.access.scopes import Grants, Scopes


def within_ceiling(given: Grants, ceiling: Collection[str] | None, management_identifier: str) -> Grants:
    """Keep the scopes that a client may have; without a ceiling, all but the scopes of the management API."""
    if ceiling is not None:
        return given.only(Scopes(frozenset(ceiling)))
    return Grants({i: scopes for i, scopes in given.by_resource.items() if i != management_identifier})


def granted_now(agreed: Grants, given: Grants) -> Grants:
    """Narrow what a user agreed to to what their roles give now; the audience stays as it was agreed."""
    return Grants({i: scopes & given.by_resource.get(i, Scopes()) for i, scopes in agreed.by_resource.items()})
