"""What a thief can do with a stolen credential: each call is tried on the server."""

from __future__ import annotations

import secrets
from typing import Any

from app.comparison.specimens import TOKENS, Http, Specimen
from app.comparison.stated import PASSWORD
from app.texts import mark


def calls_that_succeed(http: Http, specimen: Specimen) -> list[str]:
    """Try a new credential on the API, the owner's account and the management API; return the calls that succeed."""
    stolen = _stolen_arguments(http, specimen)
    gate = f"/oauth/forward-auth?resource={http.space.identifier}&scope="
    tried = {
        mark("read the API"): gate + http.space.read,
        mark("write to the API"): gate + http.space.write,
        mark("read the owner's profile"): "/api/v1/me",
        mark("list the owner's tokens"): TOKENS,
        mark("manage the server"): "/api/v1/users",
    }
    return [what for what, path in tried.items() if http.client.get(path, **stolen).is_success]


def mints(http: Http, specimen: Specimen) -> bool:
    """Return whether a personal access token can be created with a new credential."""
    body = {"name": f"stolen-{secrets.token_hex(6)}", "scopes": [http.space.read]}
    return http.client.post(TOKENS, json=body, **_stolen_arguments(http, specimen)).is_success


def _stolen_arguments(http: Http, specimen: Specimen) -> dict[str, Any]:
    stolen = specimen.get().secret
    if specimen.column == PASSWORD:
        return {"auth": (http.space.name, stolen)}
    return {"headers": {"Authorization": f"Bearer {stolen}"}}
