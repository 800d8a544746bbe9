"""The configuration that every adapter takes, checked once when it is made."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Verification = Literal["introspection", "local"]
VERIFICATIONS = ("introspection", "local")


@dataclass(frozen=True)
class Configuration:
    """Describe one API: its authorization server, its resource, and how its callers' credentials are verified."""

    issuer: str  # the address of the authorization server
    resource: str  # the identifier of this API's resource
    client_id: str = ""  # a client that serves the resource: introspection needs one
    client_secret: str = field(default="", repr=False)
    verify: Verification = "introspection"  # where a route does not choose
    max_age: float = 0  # seconds for which an active introspection answer is used again
    max_stale: float = 60  # seconds that a status list may be old while the server does not answer
    check_status: bool = True  # False: a JWT is accepted until its `exp`, whatever becomes of it
    scopes_supported: tuple[str, ...] = ()  # for the metadata of the resource (RFC 9728)
    server_url: str = ""  # where the authorization server is reached, if not at its issuer
    certificate_header: str = ""  # in which a trusted proxy sends the client's certificate
    timeout: float = 5.0  # seconds that a request to the authorization server may take
    background: bool = True  # refresh keys and status lists before a call has to wait for them
    now: Callable[[], float] = field(default=time.time, repr=False)  # seconds since 1970

    def __post_init__(self) -> None:
        """Normalize the issuer and the scopes; raise ValueError for a value that cannot work."""
        object.__setattr__(self, "issuer", self.issuer.rstrip("/"))
        object.__setattr__(self, "scopes_supported", tuple(self.scopes_supported))
        if urlsplit(self.issuer).scheme not in ("https", "http") or not urlsplit(self.issuer).netloc:
            raise ValueError(
                f"{self.issuer!r} is not a valid issuer: use the server's address, as https://auth.example"
            )
        if not self.resource or not self.resource.isprintable() or set(self.resource) & set('"\\ '):
            raise ValueError(
                f"{self.resource!r} is not a valid resource: use its identifier, as https://orders.example"
            )
        self.choose_verification(None)

    def locate(self, url: str) -> str:
        """Return where an address below the issuer is reached."""
        return self.server_url.rstrip("/") + url.removeprefix(self.issuer) if self.server_url else url

    def choose_verification(self, verify: Verification | None) -> Verification:
        """Return the verification of a route, by default the configured one; raise ValueError if it cannot work."""
        chosen = verify or self.verify
        if chosen not in VERIFICATIONS:
            raise ValueError(f"{chosen!r} is not a valid verification: use introspection or local")
        if chosen == "introspection" and not self.client_id:
            raise ValueError('introspection needs a client_id and a client_secret; without them use verify="local"')
        return chosen
