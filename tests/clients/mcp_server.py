"""An MCP server of the official SDK that accepts Latchkey's tokens: `app.resource_server` is its token verifier.

Each tool needs the scopes of the whole server. The SDK publishes what leads a client to Latchkey (RFC 9728).
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer

from app.resource_server import Credential


class LatchkeyVerifier:
    """The SDK's protocol `TokenVerifier`, by introspection or by the published keys."""

    def __init__(self, verify: Callable[[str], Credential | None], issuer: str, resource: str) -> None:
        """Take a verifier that was made for this issuer and this resource."""
        self._verify = verify
        self._issuer = issuer
        self._resource = resource

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return what the token grants; None if it is not active here, or is bound to a key: Bearer proves none."""
        credential = await asyncio.to_thread(self._verify, token)
        if credential is None or credential.key or credential.certificate:
            return None
        return AccessToken(
            token=token,
            client_id=credential.client_id or "",
            scopes=sorted(credential.scopes),
            expires_at=credential.expires_at,
            resource=self._resource,
            subject=credential.subject,
            claims={"iss": self._issuer, "credential_type": credential.kind, "username": credential.username},
        )


def whoami() -> dict[str, str | list[str] | None]:
    """Return for whom, and through which client, the tool is called."""
    token = get_access_token()
    assert token is not None and token.claims is not None
    named = {"client_id": token.client_id, "subject": token.subject, "scopes": token.scopes}
    return named | {name: token.claims[name] for name in ("credential_type", "username")}


def build(url: str, verifier: LatchkeyVerifier, issuer: str, scopes: Sequence[str]) -> MCPServer:
    """Build the server; `url` is where it is reached, and the identifier of its resource at Latchkey."""
    auth = AuthSettings.model_validate(  # from strings: a URL object would end in a slash, and be another issuer
        {
            "issuer_url": issuer,
            "resource_server_url": url,
            "required_scopes": list(scopes),
            "validate_token_resource": True,
        }
    )
    server = MCPServer("orders", token_verifier=verifier, auth=auth, log_level="WARNING")
    server.tool()(whoami)
    return server


def listen() -> tuple[socket.socket, str]:
    """Return a listening socket, and the server's address on it: requests wait until `serve` accepts them."""
    listening = socket.create_server(("127.0.0.1", 0))
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"


@contextmanager
def serve(server: MCPServer, listening: socket.socket) -> Iterator[None]:
    """Serve in a thread."""
    config = uvicorn.Config(server.streamable_http_app(), log_level="warning", timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    yield
    running.should_exit = True
    thread.join()
