"""The refusals of a request, each with its HTTP status and its challenge (RFC 6750 §3)."""

from __future__ import annotations

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6750 import InsufficientScopeError


class ServiceUnavailable(OAuth2Error):
    """The authorization server does not answer: the request is refused."""

    error = "temporarily_unavailable"
    description = "The credential cannot be verified at the moment."
    status_code = 503


class InvalidRequest(OAuth2Error):
    """The request carries two credentials (RFC 6750 §2)."""

    error = "invalid_request"
    description = "Send one credential."
    status_code = 400


class NothingSent(OAuth2Error):
    """The request carries no credential: a bare challenge (RFC 6750 §3.1), where Authlib adds an error code."""

    error = "unauthorized"
    description = "A credential is needed."
    status_code = 401

    def get_headers(self) -> list[tuple[str, str]]:
        """Return the challenge without an error code."""
        return [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("WWW-Authenticate", "Bearer")]


class InsufficientScope(InsufficientScopeError):
    """Add the challenge of RFC 6750 §3, which Authlib leaves out of a 403."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__()
        self._missing = missing

    def get_headers(self) -> list[tuple[str, str]]:
        """Name the scopes that are missing."""
        challenge = f'Bearer error="insufficient_scope", scope="{" ".join(self._missing)}"'
        return [*super().get_headers(), ("WWW-Authenticate", challenge)]
