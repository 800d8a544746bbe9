"""The metadata of the API's resource, by which a client finds the authorization server (RFC 9728)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from .configuration import Configuration

WELL_KNOWN = "/.well-known/oauth-protected-resource"


def protected_resource_metadata(configuration: Configuration) -> dict[str, Any]:
    """Return the document that each adapter serves at `metadata_path`."""
    document: dict[str, Any] = {
        "resource": configuration.resource,
        "authorization_servers": [configuration.issuer],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ["ES256", "RS256", "PS256", "EdDSA"],
    }
    if configuration.scopes_supported:
        document["scopes_supported"] = list(configuration.scopes_supported)
    return document


def metadata_path(configuration: Configuration) -> str:
    """Return where the document is: the path of the resource follows the well-known name (RFC 9728 §3.1)."""
    parts = urlsplit(configuration.resource)
    return WELL_KNOWN + (parts.path if parts.netloc and parts.path != "/" else "")


def metadata_url(configuration: Configuration) -> str:
    """Return the address of the document; empty for a resource whose identifier is not an address."""
    parts = urlsplit(configuration.resource)
    web = parts.scheme in ("https", "http") and parts.netloc
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{metadata_path(configuration)}{query}" if web else ""
