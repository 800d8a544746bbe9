"""Show in the OpenAPI document of a FastAPI application how a caller sends its credential."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.base import SecurityBase


class _Shown(SecurityBase):
    """Name a scheme in the document, and read nothing of a request or a WebSocket: the guard does."""

    def __init__(self, name: str, scheme: SecurityBase) -> None:
        self.scheme_name = name
        self.model = scheme.model

    async def __call__(self) -> None: ...


BEARER = _Shown("Bearer", HTTPBearer(description="A personal access token, an API key, or a JWT access token."))
API_KEY = _Shown(
    "X-API-Key", APIKeyHeader(name="X-API-Key", description="The same credential, in a header of its own.")
)


def show_schemes(scopes: Sequence[str]) -> tuple[Any, Any]:
    """Return the defaults of two parameters of a dependency, by which a route shows either scheme and its scopes."""
    return Security(BEARER, scopes=list(scopes)), Security(API_KEY, scopes=list(scopes))
