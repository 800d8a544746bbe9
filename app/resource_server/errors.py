"""The refusals of a request, each with its HTTP status and its challenge (RFC 6750 §3)."""

from __future__ import annotations

from collections.abc import Sequence

RETRY_AFTER = 5  # seconds after which a caller may try again while the authorization server does not answer
PROOF_ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")


class Refusal(Exception):
    """Refuse a request: an adapter answers with the status, the headers and the body as JSON."""

    status = 401
    error = "invalid_token"
    description = "The credential is not active, or not for this API."
    scheme = "Bearer"
    resource_metadata = ""  # the address of the resource's metadata, which the guard adds (RFC 9728 §5.1)

    def __init__(self) -> None:
        """Take the description as the message."""
        super().__init__(self.description)

    @property
    def body(self) -> dict[str, str]:
        """Return the members of the JSON body."""
        return {"error": self.error, "error_description": self.description}

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Return the headers of the response, but for its length."""
        return [("Content-Type", "application/json"), ("Cache-Control", "no-store"), *self.challenges()]

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the challenge, before the address of the metadata."""
        return {"error": self.error}

    def challenges(self) -> list[tuple[str, str]]:
        """Return the headers by which a caller learns what to send."""
        named = {**self.parameters(), "resource_metadata": self.resource_metadata}
        text = ", ".join(f'{name}="{value}"' for name, value in named.items() if value)
        return [("WWW-Authenticate", f"{self.scheme} {text}".strip())]


class InvalidToken(Refusal):
    """The credential is unknown, expired, revoked, malformed, or for another API."""


class NothingSent(Refusal):
    """The request carries no credential: a challenge without an error code (RFC 6750 §3.1)."""

    error = "unauthorized"
    description = "A credential is needed."

    def parameters(self) -> dict[str, str]:
        """Return no error code."""
        return {}


class InvalidRequest(Refusal):
    """The request carries two credentials (RFC 6750 §2)."""

    status = 400
    error = "invalid_request"
    description = "Send one credential."


class InsufficientScope(Refusal):
    """The credential lacks scopes, which the challenge names."""

    status = 403
    error = "insufficient_scope"
    description = "The credential lacks a scope that this request needs."

    def __init__(self, missing: Sequence[str]) -> None:
        """Take the scopes that are missing."""
        super().__init__()
        self._missing = missing

    def parameters(self) -> dict[str, str]:
        """Name the scopes that are missing."""
        return {"error": self.error, "scope": " ".join(self._missing)}


class InvalidProof(Refusal):
    """The DPoP proof is missing, stale, used before, or for another request, token or key (RFC 9449 §7.1)."""

    error = "invalid_dpop_proof"
    description = "A fresh DPoP proof of the key is needed, for this request and this token."
    scheme = "DPoP"

    def parameters(self) -> dict[str, str]:
        """Name the algorithms by which a proof may be signed."""
        return {"error": self.error, "algs": " ".join(PROOF_ALGORITHMS)}


class ServiceUnavailable(Refusal):
    """The authorization server does not answer, and what is known of it is too old: the request is refused."""

    status = 503
    error = "temporarily_unavailable"
    description = "The credential cannot be verified at the moment."

    def challenges(self) -> list[tuple[str, str]]:
        """Return when to try again: another credential would not help."""
        return [("Retry-After", str(RETRY_AFTER))]
