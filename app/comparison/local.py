"""A resource server that verifies locally, by a clock that can be set: nothing here waits for a time to pass."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx

from app.comparison.namespace import Namespace
from app.resource_server import Configuration, Credential, Guard


class LocalResourceServer:
    """Verifies JWTs with the package that resource servers use: by the keys alone, or with the status lists too."""

    def __init__(self, client: httpx.Client, namespace: Namespace, check_status: bool) -> None:
        self._client = client
        self._at: float | None = None
        self._configuration = Configuration(
            issuer=namespace.actions.settings.issuer,
            resource=namespace.identifier,
            verify="local",
            check_status=check_status,
            server_url=str(client.base_url),
            background=False,
            now=self._now,
        )
        self._guard = Guard(self._configuration, client)

    def verify(self, token: str, at: float | None = None) -> Credential | None:
        """Verify a JWT now or `at` another time (seconds since 1970); None when it is refused."""
        self._at = at
        return self._guard.verify(token)

    def read_ttl(self, token: str) -> int:
        """Return for how many seconds the list of a JWT may be used, as the list itself says."""
        uri = _read_claims(token)["status"]["status_list"]["uri"]
        published = self._client.get(self._configuration.locate(uri)).raise_for_status()
        return int(_read_claims(published.text)["ttl"])

    def _now(self) -> float:
        return time.time() if self._at is None else self._at


@dataclass(frozen=True, slots=True)
class ListCopy:
    """A resource server whose copy of a status list ends now: it was fetched `ttl` seconds ago, by its clock."""

    server: LocalResourceServer
    token: str
    ttl: int
    accepted: bool  # when the copy was fetched

    @classmethod
    def fetch(cls, server: LocalResourceServer, token: str) -> ListCopy:
        """Fetch the list of a JWT as it is before a change."""
        ttl = server.read_ttl(token)
        return cls(server, token, ttl, server.verify(token, time.time() - ttl) is not None)

    def measure_refusal(self) -> float | None:
        """Return how many seconds after a change the JWT is refused, at most; None when it still passes.

        At most: when the copy was fetched just before the change. It has served its `ttl`, so the list is fetched now.
        """
        began = time.monotonic()
        passes = self.server.verify(self.token) is not None
        return None if passes else self.ttl + time.monotonic() - began


def _read_claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT of the compared server, whose signature is not of interest here."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
