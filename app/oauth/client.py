"""A client as Authlib sees it."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import ClientMixin, UnauthorizedClientError

from app.actions.sign_in.clients import KnownClient
from app.compose import Actions
from app.http.client_certificate import header_name
from app.models.auth_methods import CERTIFICATE_METHODS, PRIVATE_KEY_JWT, SECRET_METHODS, TLS_METHOD
from app.models.grant_types import CLIENT_CREDENTIALS
from app.settings.settings import Settings

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - the grant's name
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class OAuthClient(ClientMixin):
    """Authlib's view of a client: its registration, judged by the actions."""

    def __init__(self, registration: KnownClient, actions: Actions) -> None:
        self.registration = registration
        self._actions = actions

    def get_client_id(self) -> str:
        """Return the public identifier."""
        return self.registration.client_id

    def check_client_secret(self, client_secret: str) -> bool:
        """Return whether the secret is one of the client's."""
        return self._actions.authenticate_client.secret_matches(self.registration, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Accept a secret in the header or the form, but never from a client registered with keys."""
        registered = self.registration.method
        if method == TLS_METHOD:  # which stands for both methods by certificate
            return registered in certificate_methods(self._actions.settings)
        return method in SECRET_METHODS if registered in SECRET_METHODS else method == registered

    def check_grant_type(self, grant_type: str) -> bool:
        """Return whether the client is registered for a grant; a token exchange is open to every client.

        The JWT bearer grant answers as client credentials do, and needs the same registration.
        """
        needed = CLIENT_CREDENTIALS if grant_type == JWT_BEARER else grant_type
        return grant_type == TOKEN_EXCHANGE or needed in self.registration.grant_types

    def require_grant_type(self, grant_type: str) -> None:
        """Raise UnauthorizedClientError unless the client is registered for a grant (RFC 6749 §5.2)."""
        if not self.check_grant_type(grant_type):
            raise UnauthorizedClientError("the client is not registered for this grant_type")


class FederatedClient(OAuthClient):
    """A client that a trusted issuer's token names, whatever method but `none` it is registered with."""

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Accept the assertion only."""
        return method == PRIVATE_KEY_JWT and not self.registration.public


def certificate_methods(settings: Settings) -> frozenset[str]:
    """Return the methods by certificate that this server offers: by subject only if the chain is checked."""
    if not header_name(settings):
        return frozenset()
    return CERTIFICATE_METHODS - (frozenset() if settings.client_certificate_chain == "checked" else {TLS_METHOD})
