"""The official Python MCP client as it comes, and the app's part of it: memory, and a person's browser."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from tests.api import Client as Registered


class Memory(TokenStorage):
    """What the app keeps: its registration and its tokens."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class App:
    """An app of a user: `browse` opens an address and returns the URL at which the browser ended."""

    def __init__(
        self, url: str, redirect: str, browse: Callable[[str], str], method: Any = None, document: str | None = None
    ) -> None:
        """Take where the MCP server is; without a `method` of authentication the registration names none (RFC 7591)."""
        self._browse = browse
        self.memory = Memory()
        self.times_opened = 0
        self.asked: dict[str, list[str]] = {}
        self.answer: dict[str, list[str]] = {}
        metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(redirect)], token_endpoint_auth_method=method)
        metadata.client_name = "Python orders"
        self.auth = OAuthClientProvider(url, metadata, self.memory, self._open, self._wait, document)

    async def _open(self, url: str) -> None:
        self.times_opened += 1
        self.asked = parse_qs(urlsplit(url).query)
        ended = await asyncio.to_thread(self._browse, url)
        self.answer = parse_qs(urlsplit(ended).query)

    async def _wait(self) -> AuthorizationCodeResult:
        code, state, iss = (self.answer.get(name, [None])[0] for name in ("code", "state", "iss"))
        return AuthorizationCodeResult(code=code or "", state=state, iss=iss)


def agent_with_secret(url: str, issuer: str, client: Registered, method: Any) -> httpx2.Auth:
    """Return the SDK's provider for a client with a secret that acts for itself."""
    return ClientCredentialsOAuthProvider(url, Memory(), client.client_id, client.client_secret, method, issuer=issuer)


def agent_with_key(url: str, issuer: str, client: Registered, pem: str, algorithm: str) -> httpx2.Auth:
    """Return the SDK's provider for a client with a key that acts for itself."""
    signed = SignedJWTParameters(
        issuer=client.client_id, subject=client.client_id, signing_key=pem, signing_algorithm=algorithm
    )
    assertion = signed.create_assertion_provider()
    return PrivateKeyJWTOAuthProvider(url, Memory(), client.client_id, assertion, issuer=issuer)


async def call_tool(url: str, auth: httpx2.Auth) -> dict[str, Any]:
    """Call the tool of the MCP server; return what it says of the caller."""
    async with (
        httpx2.AsyncClient(auth=auth, timeout=30, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        result = await client.call_tool("whoami", {})
    said = result.structured_content
    assert isinstance(said, dict), result
    return said
