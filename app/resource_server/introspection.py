"""Verify a token by a request to the authorization server (RFC 7662)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .cache import AnswerCache
from .configuration import Configuration
from .credential import Credential, read_credential
from .errors import ServiceUnavailable
from .steps import HttpRequest, HttpResponse, Steps


class Introspection:
    """Ask the authorization server about each token: one request a call, and a revocation counts at once."""

    def __init__(self, configuration: Configuration) -> None:
        """Take the server, the client, and how many seconds an answer may be used again."""
        self._configuration = configuration
        self._cache = AnswerCache(configuration.max_age, configuration.now)

    def verify(self, token: str, client_ip: str | None = None) -> Steps[Credential | None]:
        """Return what the server says of the token, now or at most `max_age` seconds ago for this address."""
        answer = self._cache.get(token, client_ip)
        if answer is None:
            form = {"token": token} | ({"client_ip": client_ip} if client_ip else {})
            response = yield HttpRequest(f"{self._configuration.issuer}/oauth/introspect", form)
            answer = _read_answer(response)
            self._cache.put(token, client_ip, answer)
        if answer.get("active") is not True:
            return None
        return read_credential(answer, self._configuration.resource, self._configuration.now())


def _read_answer(response: HttpResponse | None) -> Mapping[str, Any]:
    """Return the answer of the server; raise ServiceUnavailable if it is not one."""
    try:
        answer = json.loads(response.body) if response is not None and response.status == 200 else None
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise ServiceUnavailable
    return answer
