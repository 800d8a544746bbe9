"""What a thief can do with a stolen credential: each call is tried on the server."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from app.comparison.specimens import TOKENS, Http, Specimen
from app.comparison.stated import PASSWORD
from app.texts import mark

Arguments = dict[str, Any]  # of a request that sends the stolen credential


def steal(http: Http, specimen: Specimen) -> Arguments:
    """Obtain a new credential, and return the arguments of a request that sends it."""
    stolen = specimen.get().secret
    return {"auth": (http.space.name, stolen)} if specimen.column == PASSWORD else bearer(stolen)


def bearer(token: str) -> Arguments:
    """Return the arguments of a request that sends a bearer token."""
    return {"headers": {"Authorization": f"Bearer {token}"}}


def calls_that_succeed(http: Http, stolen: Arguments) -> list[str]:
    """Try a credential on the API, the owner's account and the management API; return the calls that succeed."""
    gate = f"/oauth/forward-auth?resource={http.space.identifier}&scope="
    tried = {
        mark("read the API"): gate + http.space.read,
        mark("write to the API"): gate + http.space.write,
        mark("read the owner's profile"): "/api/v1/me",
        mark("list the owner's tokens"): TOKENS,
        mark("manage the server"): "/api/v1/users",
    }
    return [what for what, path in tried.items() if http.client.get(path, **stolen).is_success]


def as_promised(column: str, calls: Sequence[str]) -> bool:
    """Return whether a stolen credential opened only what the contract allows: neither writing nor managing."""
    writes = {"write to the API", "manage the server"} & set(calls)
    return not writes and ("read the API" in calls) == (column != PASSWORD)


def mints(http: Http, stolen: Arguments) -> bool:
    """Return whether a personal access token can be created with a credential."""
    body = {"name": f"stolen-{secrets.token_hex(6)}", "scopes": [http.space.read]}
    return http.client.post(TOKENS, json=body, **stolen).is_success
