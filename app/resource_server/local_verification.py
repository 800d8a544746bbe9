"""Verify a JWT by the server's public keys and status lists, without a request for each token (RFC 9068 §4)."""

from __future__ import annotations

from .configuration import Configuration
from .credential import Credential, read_credential
from .introspection import Introspection
from .keys import PublishedKeys
from .status_list import StatusLists
from .steps import Steps

CLAIMS = ["exp", "iat", "sub", "aud", "client_id", "jti", "credential_type"]


class LocalVerification:
    """Check the signature, the claims and the status of a JWT; a revoked one is refused when its list says so."""

    def __init__(self, configuration: Configuration, introspection: Introspection | None) -> None:
        """Take what verifies a JWT that names no status list; None refuses it."""
        self._configuration = configuration
        self._introspection = introspection
        self._keys = PublishedKeys(configuration)
        self._lists = StatusLists(configuration, self._keys)

    def verify(self, token: str, client_ip: str | None = None) -> Steps[Credential | None]:
        """Return what the signed claims say; the networks of an API key are not among them."""
        issuer, resource = self._configuration.issuer, self._configuration.resource
        claims = yield from self._keys.decode(token, "at+jwt", {"require": CLAIMS}, issuer=issuer, audience=resource)
        if claims is None:
            return None
        credential = read_credential(claims | {"exchanged": "origin" in claims}, resource, self._configuration.now())
        if credential is None:
            return None
        if not self._configuration.check_status:
            return credential
        if "status" not in claims:  # it was issued before the server had status lists
            return None if self._introspection is None else (yield from self._introspection.verify(token, client_ip))
        return credential if (yield from self._lists.is_valid(claims["status"])) else None
