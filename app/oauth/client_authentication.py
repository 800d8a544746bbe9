"""Authenticate clients at every endpoint alike: by a secret, an assertion or a certificate.

client_secret_basic, client_secret_post (RFC 6749 §2.3.1), private_key_jwt and a trusted issuer's token (RFC 7523 §2.2),
tls_client_auth and self_signed_tls_client_auth (RFC 8705 §2). Where an app acts for a user a public client names itself
and proves nothing: `none` (RFC 6749 §2.1).
"""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, TokenEndpoint

from app.actions.trust.registration import usable_keys
from app.compose import Actions
from app.http.request import Request
from app.models.auth_methods import (
    CERTIFICATE_METHODS,
    CLIENT_SECRET_BASIC,
    CLIENT_SECRET_POST,
    NONE,
    PRIVATE_KEY_JWT,
    TLS_METHOD,
)
from app.oauth.assertions import ASSERTION_TYPE, read_assertion
from app.oauth.client import FederatedClient, OAuthClient
from app.oauth.form_reader import FormRequest
from app.oauth.private_key_jwt import PrivateKeyJwt
from app.oauth.workload import find_client

METHODS = [CLIENT_SECRET_BASIC, CLIENT_SECRET_POST, PRIVATE_KEY_JWT]
METHODS_OF_APPS = [*METHODS, NONE]  # of the grants in which a user agrees, and of what belongs to them


class ClientAuthentication:
    """The methods of client authentication, as Authlib calls them."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions

    def find_client(self, client_id: str) -> OAuthClient:
        """Look a client up; an unknown one is the null client, which fails like any other."""
        return OAuthClient(self._actions.authenticate_client.find(client_id), self._actions)

    def presented_methods(self, request: FormRequest) -> list[str]:
        """Return the methods that this request uses; raise InvalidRequestError for two (RFC 6749 §2.3)."""
        form, context = request.form, request.context
        tried = {
            CLIENT_SECRET_BASIC: context.scheme == "basic",
            CLIENT_SECRET_POST: "client_secret" in form,
            PRIVATE_KEY_JWT: "client_assertion" in form or "client_assertion_type" in form,
        }
        methods = [method for method, present in tried.items() if present]
        if len(methods) > 1:
            raise InvalidRequestError("more than one client authentication method")
        if not methods and context.certificate() is not None and self._names_client_of_certificates(request):
            return [TLS_METHOD]  # RFC 8705 §2: the connection authenticates, the form names the client
        if methods == [CLIENT_SECRET_BASIC] and form.get("client_id", "") not in ("", basic_credentials(context)[0]):
            raise InvalidRequestError("client_id differs from the one that authenticates")
        return methods

    def presented_secret(self, request: FormRequest) -> str:
        """Return the client secret of a request; empty where it authenticates in another way."""
        return request.form.get("client_secret", "") or basic_credentials(request.context)[1]

    def names_public_client(self, request: FormRequest) -> bool:
        """Return whether the form names a public client, which authenticates by nothing else."""
        client_id = request.form.get("client_id")
        return client_id is not None and self.find_client(client_id).registration.public

    def by_basic(self, _query: object, request: FormRequest) -> OAuthClient | None:
        """Decode the header ourselves, where Authlib fails on invalid UTF-8."""
        return self._by_secret(*basic_credentials(request.context))

    def by_post(self, _query: object, request: FormRequest) -> OAuthClient | None:
        """Read the form, with the same answer for an unknown client as for a wrong secret."""
        return self._by_secret(request.form.get("client_id", ""), request.form.get("client_secret", ""))

    def by_assertion(self, query: Any, request: FormRequest) -> OAuthClient | None:
        """Accept a trusted issuer's token too, where the form names another client than the one that signs."""
        form = request.form
        assertion, client_id = form.get("client_assertion", ""), form.get("client_id")
        of_issuer = form.get("client_assertion_type") == ASSERTION_TYPE and client_id
        if not of_issuer or _read_claims(assertion).get("iss") == client_id:
            own: Any = PrivateKeyJwt(self._actions, request)
            return own(query, request)  # type: ignore[no-any-return]
        client = find_client(assertion, client_id, request.context, self._actions)
        return None if client is None else FederatedClient(client, self._actions)

    def by_certificate(self, _query: object, request: FormRequest) -> OAuthClient | None:
        """Compare the connection's certificate with what the client registered (RFC 8705 §2)."""
        client, certificate = self.find_client(request.form.get("client_id", "")), request.context.certificate()
        registration = client.registration
        keys = registration.jwks
        if keys is None and registration.jwks_uri is not None and registration.method in CERTIFICATE_METHODS:
            keys = self._actions.fetch_jwks(registration.jwks_uri, None)
        matches, usable = self._actions.authenticate_client.certificate_matches, {"keys": list(usable_keys(keys))}
        return client if certificate is not None and matches(registration, certificate, usable) else None

    def _by_secret(self, client_id: str, secret: str) -> OAuthClient | None:
        client = self.find_client(client_id)
        return client if client.check_client_secret(secret) else None

    def _names_client_of_certificates(self, request: FormRequest) -> bool:
        """Return whether this client authenticates by certificate; any other client's only binds the token."""
        client_id = request.form.get("client_id")
        return client_id is not None and self.find_client(client_id).registration.method in CERTIFICATE_METHODS


def authenticate_endpoint_client(endpoint: TokenEndpoint, request: FormRequest) -> OAuthClient:
    """Authenticate the client of an introspection or revocation request; raise ClientRefused."""
    client: OAuthClient = endpoint.authenticate_endpoint_client(request)  # type: ignore[no-untyped-call]
    return client


def claimed_client_id(request: FormRequest) -> str:
    """Return the client_id that a request names, proved or not; empty when it names none."""
    form = request.form
    return basic_credentials(request.context)[0] or _asserted_id(form) or form.get("client_id", "")


def basic_credentials(request: Request) -> tuple[str, str]:
    """Return client_id and secret of a Basic header; two empty strings without a valid one."""
    return decode_basic(request.credentials) if request.scheme == "basic" else ("", "")


def decode_basic(value: str) -> tuple[str, str]:
    """Decode what follows `Basic` (RFC 6749 §2.3.1: each half form-encoded); two empty strings if it is invalid."""
    try:
        text = base64.b64decode(value, validate=True).decode()
        client_id, _, secret = text.partition(":")
        return unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError):
        return "", ""


def _asserted_id(form: Any) -> str:
    """Return the unverified `sub` of a client's own assertion; a foreign issuer's is not a client of ours."""
    claims = _read_claims(form.get("client_assertion", ""))
    subject = claims.get("sub")
    return subject if isinstance(subject, str) and subject == claims.get("iss") else ""


def _read_claims(assertion: str) -> dict[str, Any]:
    """Return the unverified claims of an assertion; empty if it is unreadable."""
    try:
        return read_assertion(assertion)[1] if assertion else {}
    except InvalidClientError:
        return {}
