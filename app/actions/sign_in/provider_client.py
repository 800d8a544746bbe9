"""Ask an identity provider: the authorization request, the exchange of the code, and the userinfo endpoint.

The protocol is Authlib's OAuth2Client. Its requests go through `ask_json`: its Flask client would follow redirects,
resolve names twice and have neither a bound of size nor of time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

from app.actions.sign_in.provider_tokens import away, unfit
from app.actions.sign_in.providers import CALLBACK, Provider
from app.actions.trust.ask_json import AskJson, JsonAnswer
from app.actions.trust.fetch_jwks import Keys
from app.actions.trust.registration import checked_jwks_uri
from app.clock import Clock
from app.errors import Invalid

if TYPE_CHECKING:
    from authlib.oauth2 import ClientAuth
    from authlib.oauth2.client import OAuth2Client

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFETIME = 60  # seconds
SignAssertion = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """What a provider returned for a code."""

    id_token: object = field(repr=False)
    access_token: str | None = field(repr=False)


class ProviderClient:
    """Sends our requests to providers; each is bounded in time, size and address as every fetch of ours."""

    def __init__(self, issuer: str, sign: SignAssertion, clock: Clock, *, allow_private: bool) -> None:
        """`sign` signs the assertions of private_key_jwt."""
        self._issuer = issuer
        self._sign = sign
        self._clock = clock
        self._private = allow_private
        self._ask = AskJson("an identity provider", allow_private=allow_private)

    def redirect_uri(self, provider: Provider) -> str:
        """Return where this provider sends its answers: each has its own (RFC 9700 §4.4.2)."""
        return f"{self._issuer}{CALLBACK}{provider.id}"

    def authorization_url(self, provider: Provider, metadata: Keys, state: str, nonce: str, verifier: str) -> str:
        """Return where a browser goes to sign in. Raises ProviderAway."""
        endpoint = self._endpoint(provider, metadata, "authorization_endpoint")
        url, _ = self._client(provider).create_authorization_url(
            endpoint, state=state, code_verifier=verifier, nonce=nonce
        )
        return str(url)

    def exchange(self, provider: Provider, metadata: Keys, code: str, verifier: str) -> TokenResponse:
        """Return what the provider gives for a code. Raises SignInRefused, ProviderAway."""
        from authlib.oauth2 import OAuth2Error  # a server without providers saves its memory

        endpoint = self._endpoint(provider, metadata, "token_endpoint")
        try:
            token = self._client(provider).fetch_token(
                endpoint,
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
                auth=self._authentication(provider, metadata),
            )
        except (OAuth2Error, ValueError, TypeError):  # an error response, or members of other types
            raise unfit(provider) from None
        access_token = token.get("access_token")
        return TokenResponse(token.get("id_token"), access_token if isinstance(access_token, str) else None)

    def userinfo(self, provider: Provider, metadata: Keys, access_token: str) -> Mapping[str, Any]:
        """Return the claims of the userinfo endpoint. Raises SignInRefused, ProviderAway."""
        endpoint = self._endpoint(provider, metadata, "userinfo_endpoint")
        headers = {"Accept": "application/json", "Authorization": f"Bearer {access_token}"}
        if not access_token.isascii() or not access_token.isprintable():
            raise unfit(provider)
        answer = self._ask("GET", endpoint, headers)
        if answer is None:
            raise away(provider)
        if answer.status != 200:
            raise unfit(provider)
        return answer.document

    def _client(self, provider: Provider) -> OAuth2Client:
        from authlib.oauth2.client import OAuth2Client  # as above

        return OAuth2Client(
            _Session(self._ask, provider),
            client_id=provider.client_id,
            scope=" ".join(provider.scopes),
            redirect_uri=self.redirect_uri(provider),
            code_challenge_method="S256",
        )

    def _endpoint(self, provider: Provider, metadata: Keys, name: str) -> str:
        """Return an endpoint of the metadata: https, so that no code or token is sent in clear."""
        try:
            return checked_jwks_uri(str(metadata.get(name)), private=self._private, field=name)
        except Invalid:
            raise away(provider) from None

    def _authentication(self, provider: Provider, metadata: Keys) -> ClientAuth:
        from authlib.oauth2 import ClientAuth  # as above

        if provider.client_secret is None:
            issuer = provider.issuer  # rfc7523bis: the audience that no other server has
            return ClientAuth(provider.client_id, None, partial(self._assert, issuer))
        accepted = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if isinstance(accepted, list) and "client_secret_basic" not in accepted:
            return ClientAuth(provider.client_id, provider.client_secret, "client_secret_post")
        client_id, secret = quote_plus(provider.client_id), quote_plus(provider.client_secret)  # not in Authlib
        return ClientAuth(client_id, secret, "client_secret_basic")  # RFC 6749 §2.3.1

    def _assert(
        self, audience: str, client: ClientAuth, _method: str, uri: str, headers: Any, body: str
    ) -> tuple[str, Any, str]:
        """Add an assertion of ours to a request (RFC 7523 §2.2)."""
        issued_at = int(self._clock().timestamp())
        claims = {"iss": client.client_id, "sub": client.client_id, "aud": audience, "jti": secrets.token_urlsafe(16)}
        claims |= {"iat": issued_at, "exp": issued_at + ASSERTION_LIFETIME}
        proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self._sign(claims)}
        return uri, headers, f"{body}&{urlencode({'client_id': client.client_id, **proof})}"


class _Session:
    """What Authlib sends its token request by, in place of a session of requests or httpx."""

    def __init__(self, ask: AskJson, provider: Provider) -> None:
        self._ask = ask
        self._provider = provider

    def post(self, url: str, data: Mapping[str, str], headers: Mapping[str, str], auth: ClientAuth) -> _Response:
        """Send a form. Raises ProviderAway."""
        prepare: Callable[..., tuple[str, dict[str, str], str]] = auth.prepare
        uri, sent, body = prepare("POST", url, dict(headers), urlencode(data))
        answer = self._ask("POST", uri, sent, body.encode())
        if answer is None or answer.status >= 500:
            raise away(self._provider)
        return _Response(answer)


class _Response:
    """An answer as Authlib reads it."""

    def __init__(self, answer: JsonAnswer) -> None:
        self.status_code = answer.status
        self._answer = answer

    def json(self) -> dict[str, Any]:
        """Return the JSON object; a refusal without `error` is an error too."""
        document = dict(self._answer.document)
        return document if self.status_code == 200 else {"error": "refused", **document}
