"""What is known of a verified credential, and how it is read from claims or from an introspection answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .proof import can_be_proven


@dataclass(frozen=True, slots=True)
class Credential:
    """Describe the caller and its rights. An API key has no owner: no subject, username or client."""

    kind: str  # personal_access_token, api_key or client_credentials
    id: str
    scopes: frozenset[str]
    subject: str | None
    username: str | None
    client_id: str | None
    expires_at: int | None  # seconds since 1970
    exchanged: bool = False
    key: str | None = None  # thumbprint of the key that it is bound to (RFC 9449 §6)


class Verifier(Protocol):
    """Verify a token by one method."""

    def __call__(self, token: str, client_ip: str | None = None) -> Credential | None:
        """Return the credential, None if it is not active here for this caller; raise ServiceUnavailable."""


def read_credential(claims: Mapping[str, Any], resource: str, now: float) -> Credential | None:
    """Return the credential of verified claims; None if it is for another resource, expired or cannot be proven."""
    audience = claims.get("aud", ())
    if resource not in ((audience,) if isinstance(audience, str) else audience):
        return None
    if "exp" in claims and claims["exp"] <= now:
        return None
    confirmation = claims.get("cnf", {})
    if not can_be_proven(confirmation):
        return None
    kind = claims["credential_type"]
    anonymous = kind == "api_key"  # RFC 9068 §2.2 demands a sub and a client_id even for a credential without an owner
    machine = kind == "client_credentials"
    return Credential(
        kind=kind,
        id=claims["jti"],
        scopes=frozenset(claims.get("scope", "").split()),
        subject=None if anonymous else claims.get("sub"),
        username=claims.get("username"),
        client_id=claims.get("client_id") if machine else None,
        expires_at=claims.get("exp"),
        exchanged=bool(claims.get("exchanged")),
        key=confirmation.get("jkt"),
    )
