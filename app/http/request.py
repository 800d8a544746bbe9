"""The context of one request, read once at the edge and passed on as an argument."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from cryptography.x509 import Certificate
from flask import Request as FlaskRequest

from app.clock import Clock
from app.http.client_certificate import read_client_certificate
from app.http.envelope import REQUEST_ID
from app.http.peer import peer_address
from app.settings.addresses import Address, is_trusted_proxy
from app.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Request:
    """Who sent a request, and what it presents besides its parameters."""

    id: str
    address: Address | None  # of the client, behind the trusted proxies
    method: str
    path: str  # decoded, without the issuer's path
    authorization: str | None = field(repr=False)  # the header; None without one
    proof: str | None = field(repr=False)  # the DPoP header (RFC 9449 §4.1)
    certificate: Callable[[], Certificate | None] = field(repr=False)  # parsed when it is first asked for

    @property
    def peer(self) -> str | None:
        """The address as text, as audit events and limits store it."""
        return None if self.address is None else str(self.address)

    @property
    def scheme(self) -> str:
        """The scheme of the Authorization header in lower case; empty without one."""
        return authorization_scheme(self.authorization)

    @property
    def credentials(self) -> str:
        """What follows the scheme in the Authorization header."""
        return (self.authorization or "").partition(" ")[2].strip()


def read_request(request: FlaskRequest, settings: Settings, clock: Clock) -> Request:
    """Read the context of a request; a forwarded address or certificate counts only from a trusted proxy."""
    sender, headers = request.remote_addr or "", request.headers
    from_proxy = is_trusted_proxy(sender, settings.trusted_proxies)
    return Request(
        id=str(request.environ[REQUEST_ID]),
        address=peer_address(sender, ",".join(headers.getlist("X-Forwarded-For")), settings.trusted_proxies),
        method=request.method,
        path=request.path,
        authorization=headers.get("Authorization"),
        proof=headers.get("DPoP"),
        certificate=cache(lambda: read_client_certificate(headers, settings, clock()) if from_proxy else None),
    )


def authorization_scheme(authorization: str | None) -> str:
    """Return the scheme of an Authorization header in lower case; empty without one."""
    return (authorization or "").partition(" ")[0].lower()
