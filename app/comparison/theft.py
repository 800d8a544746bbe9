"""What a thief can do with a stolen credential: each call is tried."""

from __future__ import annotations

import secrets
from typing import Any

from app.comparison.specimens import TOKENS, Http, Specimen
from app.comparison.stated import PASSWORD


def calls_that_succeed(http: Http, specimen: Specimen) -> list[str]:
    """Steal a fresh one and try the API, the owner's account and the server's management with it."""
    shown = _shown(http, specimen)
    gate = f"/oauth/forward-auth?resource={http.space.identifier}&scope="
    tried = {
        "read the API": gate + http.space.read,
        "write to the API": gate + http.space.write,
        "read the owner's profile": "/api/v1/me",
        "list the owner's tokens": TOKENS,
        "manage the server": "/api/v1/users",
    }
    return [what for what, path in tried.items() if http.client.get(path, **shown).is_success]


def mints(http: Http, specimen: Specimen) -> bool:
    """Steal a fresh one and try to make a personal access token with it."""
    body = {"name": f"stolen-{secrets.token_hex(6)}", "scopes": [http.space.read]}
    return http.client.post(TOKENS, json=body, **_shown(http, specimen)).is_success


def _shown(http: Http, specimen: Specimen) -> dict[str, Any]:
    stolen = specimen.get().secret
    if specimen.column == PASSWORD:
        return {"auth": (http.space.name, stolen)}
    return {"headers": {"Authorization": f"Bearer {stolen}"}}
