"""Protect an ASGI application, or a part of one: its requests and its WebSockets."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote, unquote

from .certificate import read_certificate
from .configuration import Configuration, Verification
from .credential import Credential
from .current import use_credential
from .errors import Refusal
from .guard import AsyncGuard
from .metadata import metadata_path, protected_resource_metadata
from .request import Request, keep_request, normalize_address

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY_VIOLATION = 1008  # RFC 6455 §7.4.1
DENIAL = "websocket.http.response"  # the extension by which a WebSocket is refused with an HTTP response
DEFAULT_PORTS = {"http": 80, "https": 443}


def protect(
    application: Application, guard: AsyncGuard, *scopes: str, verify: Verification | None = None
) -> Application:
    """Return the application behind a guard: every request and WebSocket needs all of these scopes.

    It also answers the request for the metadata of the resource (RFC 9728), which needs no credential.
    """
    configuration = guard.configuration
    chosen = configuration.choose_verification(verify)
    well_known = unquote(metadata_path(configuration))
    document = protected_resource_metadata(configuration)

    async def protected(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await application(scope, receive, send)
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and _split_path(scope)[1] == well_known:
            return await send_json(scope, send, 200, [("Content-Type", "application/json")], document)
        try:
            credential = await authenticate(scope, guard, scopes, chosen)
        except Refusal as refusal:
            return await refuse(refusal, scope, receive, send)
        with use_credential(credential):
            await application(scope, receive, send)

    return protected


async def authenticate(
    scope: Scope, guard: AsyncGuard, scopes: tuple[str, ...], verify: Verification | None
) -> Credential:
    """Return the credential of a request or a WebSocket that has all the scopes; raise a Refusal."""
    request = keep_request(scope, read_request(scope, guard.configuration))
    return await guard.authenticate(request, scopes, verify)


def read_request(scope: Scope, configuration: Configuration) -> Request:
    """Return the request as a guard sees it; behind a proxy, the server or a middleware sets its address and scheme."""
    if scope["type"] not in ("http", "websocket"):
        raise ValueError(f"{scope['type']!r} is not a type of connection that can be protected: use http or websocket")
    client = scope.get("client") or (None,)
    named = configuration.certificate_header
    return Request(
        method=scope.get("method", "GET"),  # a WebSocket begins with a GET (RFC 6455 §4.1)
        url=_url(scope),
        authorization=_values(scope, "authorization"),
        api_key=_values(scope, "x-api-key"),
        dpop=_values(scope, "dpop"),
        client_ip=normalize_address(client[0]),
        certificate=read_certificate(", ".join(_values(scope, named))) if named else read_client_certificate(scope),
    )


def read_client_certificate(scope: Scope) -> bytes | None:
    """Return the certificate that the client proved in TLS, from the extension for it; its issuers follow it there."""
    chain = ((scope.get("extensions") or {}).get("tls") or {}).get("client_cert_chain") or (None,)
    return read_certificate(chain[0])


async def refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or a WebSocket before it is accepted: by the same response where the server can send one."""
    if scope["type"] == "websocket" and (await receive())["type"] != "websocket.connect":
        return
    if scope["type"] == "websocket" and not can_deny(scope):
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal.error})
    else:
        await send_json(scope, send, refusal.status, refusal.headers, refusal.body)


def can_deny(scope: Scope) -> bool:
    """Return whether the server can refuse a WebSocket with a response, where others close it with a code."""
    return DENIAL in (scope.get("extensions") or {})


async def send_json(
    scope: Scope, send: Send, status: int, headers: list[tuple[str, str]], document: dict[str, Any]
) -> None:
    """Send a document; to HEAD without its body."""
    body = json.dumps(document).encode()
    lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    lines.append((b"content-length", str(len(body)).encode()))
    prefix = f"{DENIAL}." if scope["type"] == "websocket" else "http.response."
    await send({"type": f"{prefix}start", "status": status, "headers": lines})
    await send({"type": f"{prefix}body", "body": b"" if scope.get("method") == "HEAD" else body})


def _values(scope: Scope, name: str) -> tuple[str, ...]:
    wanted = name.lower().encode("latin-1")
    return tuple(value.decode("latin-1") for header, value in scope["headers"] if header.lower() == wanted)


def _url(scope: Scope) -> str:
    """Return the URL without its query, as the server knows it (RFC 9449 §4.3); of a WebSocket that of its request."""
    named: str = scope.get("scheme", "http")
    scheme = {"ws": "http", "wss": "https"}.get(named, named)
    host = ", ".join(_values(scope, "host")) or _server(scope, scheme)
    return f"{scheme}://{host}{quote(''.join(_split_path(scope)))}"


def _split_path(scope: Scope) -> tuple[str, str]:
    """Return where the application is mounted, and the path below that; a server may leave the first out of `path`."""
    root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
    return root, path[len(root) :] if f"{path}/".startswith(f"{root}/") else path


def _server(scope: Scope, scheme: str) -> str:
    host, port = scope.get("server") or ("", None)
    named = f"[{host}]" if ":" in host else host
    return named if port in (None, DEFAULT_PORTS.get(scheme)) else f"{named}:{port}"
