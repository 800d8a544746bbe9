"""What is known of a verified credential, and how it is read from claims or from an introspection answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OF_A_CLIENT = ("client_credentials", "oauth_token")  # a client's own tokens, and an app's tokens of a user
CONFIRMATIONS = frozenset({"jkt", "x5t#S256"})  # what can be proven: RFC 9449 §6.1, RFC 8705 §3.1


@dataclass(frozen=True)
class Credential:
    """Describe the caller and its rights. An API key has no owner: no subject, username or client."""

    kind: str  # personal_access_token, api_key, client_credentials or oauth_token
    id: str
    scopes: frozenset[str]
    subject: str | None
    username: str | None
    client_id: str | None
    expires_at: int | None  # seconds since 1970
    exchanged: bool = False
    key: str | None = None  # thumbprint of the DPoP key that it is bound to (RFC 9449 §6)
    certificate: str | None = None  # thumbprint of the client certificate that it is bound to (RFC 8705 §3.1)


def read_credential(claims: Mapping[str, Any], resource: str, now: float) -> Credential | None:
    """Return the credential of verified claims; None if it is for another resource, expired or cannot be proven."""
    audience, expires_at, confirmation = claims.get("aud"), claims.get("exp"), claims.get("cnf", {})
    if resource not in ([audience] if isinstance(audience, str) else _list(audience)):
        return None
    if expires_at is not None and not (_is_number(expires_at) and expires_at > now):  # JSON of Python has NaN
        return None
    if not isinstance(confirmation, dict) or not confirmation.keys() <= CONFIRMATIONS:
        return None
    named = [claims.get("credential_type"), claims.get("jti"), claims.get("scope", ""), *confirmation.values()]
    return _build(claims, confirmation) if all(isinstance(one, str) for one in named) else None


def _build(claims: Mapping[str, Any], confirmation: Mapping[str, str]) -> Credential:
    """Return the credential of claims that have their types."""
    kind = claims["credential_type"]
    anonymous = kind == "api_key"  # RFC 9068 §2.2 demands a sub and a client_id even for a credential without an owner
    return Credential(
        kind=kind,
        id=claims["jti"],
        scopes=frozenset(claims.get("scope", "").split()),
        subject=None if anonymous else claims.get("sub"),
        username=claims.get("username"),
        client_id=claims.get("client_id") if kind in OF_A_CLIENT else None,
        expires_at=claims.get("exp"),
        exchanged=bool(claims.get("exchanged")),
        key=confirmation.get("jkt"),
        certificate=confirmation.get("x5t#S256"),
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
