"""Accept every kind of Latchkey's credentials in an API, in whichever framework.

    from latchkey_resource_server.flask import ResourceServer, current_credential

    latchkey = ResourceServer(issuer="https://auth.example", resource="https://orders.example",
                              client_id="…", client_secret="…")

    @app.get("/orders")
    @latchkey.require_scope("orders:read")
    def orders(): ...

This package is a distribution of its own, `latchkey-resource-server`: nothing else of Latchkey is imported here, and a
framework only by its adapter. README.md beside this file describes its settings, its caches and its limits.
"""

from typing import TYPE_CHECKING, Any

from .certificate import read_certificate
from .configuration import Configuration, Verification
from .credential import Credential
from .current import current_credential, use_credential
from .errors import (
    InsufficientScope,
    InvalidProof,
    InvalidRequest,
    InvalidToken,
    NothingSent,
    Refusal,
    ServiceUnavailable,
)
from .guard import AsyncGuard, Guard
from .metadata import metadata_path, metadata_url, protected_resource_metadata
from .request import Request, normalize_address

if TYPE_CHECKING:
    from .flask import ResourceServer

__all__ = [
    "AsyncGuard",
    "Configuration",
    "Credential",
    "Guard",
    "InsufficientScope",
    "InvalidProof",
    "InvalidRequest",
    "InvalidToken",
    "NothingSent",
    "Refusal",
    "Request",
    "ResourceServer",
    "ServiceUnavailable",
    "Verification",
    "current_credential",
    "metadata_path",
    "metadata_url",
    "normalize_address",
    "protected_resource_metadata",
    "read_certificate",
    "use_credential",
]


def __getattr__(name: str) -> Any:
    """Return Flask's `ResourceServer`, which was here before there were other adapters; Flask is imported only then."""
    if name == "ResourceServer":
        from .flask import ResourceServer

        return ResourceServer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
