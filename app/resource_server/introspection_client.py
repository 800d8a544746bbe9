"""Verify a token by asking the authorization server (RFC 7662)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from .cache import AnswerCache
from .credential import Credential, read_credential
from .errors import ServiceUnavailable

TIMEOUT = 5.0  # seconds that a request to the authorization server may take


class Introspection:
    """Ask the authorization server about each token: one request a call, and a revocation counts at once."""

    def __init__(
        self, issuer: str, resource: str, client: tuple[str, str], max_age: float, now: Callable[[], float]
    ) -> None:
        """`max_age` is how many seconds an answer may be reused; 0 keeps none."""
        self._resource = resource
        self._url = f"{issuer}/oauth/introspect"
        self._http = httpx.Client(auth=client, timeout=TIMEOUT)
        self._now = now
        self._cache = AnswerCache(max_age, now)

    def __call__(self, token: str, client_ip: str | None = None) -> Credential | None:
        """Return what the server says of the token, now or at most `max_age` seconds ago for this address."""
        answer = self._cache.get(token, client_ip)
        if answer is None:
            answer = self._request(token, client_ip)
            self._cache.put(token, client_ip, answer)
        return read_credential(answer, self._resource, self._now()) if answer.get("active") is True else None

    def _request(self, token: str, client_ip: str | None) -> Mapping[str, Any]:
        form = {"token": token} | ({"client_ip": client_ip} if client_ip else {})
        try:
            response = self._http.post(self._url, data=form)
            response.raise_for_status()
            answer = response.json()
        except (httpx.HTTPError, ValueError):
            raise ServiceUnavailable from None
        if not isinstance(answer, dict):
            raise ServiceUnavailable
        return answer
