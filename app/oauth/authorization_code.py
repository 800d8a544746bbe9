"""The authorization code grant (RFC 6749 §4.1): the check of the authorization request, and the token request."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    AccessDeniedError,
    AuthorizationCodeGrant,
    ClientMixin,
    InvalidGrantError,
    InvalidRequestError,
    UnauthorizedClientError,
)

from app.access.scopes import Grants
from app.actions.audit.actor import Actor
from app.actions.delegation.app_tokens import AppTokens
from app.actions.delegation.codes import REFUSED, CodeTerms, KnownCode
from app.actions.sign_in.clients import KnownClient
from app.actions.trust.redirect_uris import matches
from app.crypto.confirmation import Confirmation
from app.errors import InvalidGrant, InvalidProof
from app.oauth.app_tokens import AppTokenGrant
from app.oauth.authorization_request import AuthorizationRequest, authorization_request
from app.oauth.authorization_response import REDIRECT, append_parameters
from app.oauth.client import OAuthClient

RESPONSE_TYPE, RESPONSE_MODE = "code", "query"
OTHER_MODE = "unsupported_response_mode"  # of no RFC, but what node-oidc-provider answers
PROMPTS = frozenset({"none", "login", "consent"})
THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")  # RFC 9449 §10: SHA-256 in base64url
NOT_SUPPORTED = {"request": "request_not_supported", "request_uri": "request_uri_not_supported"}  # RFC 9101 §5


@dataclass(frozen=True, slots=True)
class Approval:
    """What a user granted to a client."""

    actor: Actor
    granted: Grants


@dataclass(frozen=True, slots=True)
class StoredCode:
    """A code as Authlib's checks read it."""

    known: KnownCode

    @property
    def code_challenge(self) -> str:
        """The challenge of the authorization request."""
        return self.known.code_challenge

    def get_redirect_uri(self) -> str | None:
        """Return the redirect URI of the authorization request; None when it had none."""
        return self.known.redirect_uri


class AuthorizationCode(AppTokenGrant, AuthorizationCodeGrant):  # type: ignore[misc]
    """Redirect every error once the redirect URI is known, and check what Authlib does not know of."""

    @classmethod
    def check_authorization_endpoint(cls, request: object) -> bool:
        """Leave the response_type to the checks below, where Authlib puts it unescaped into an error."""
        return True

    @staticmethod
    def validate_no_multiple_request_parameter(request: object) -> None:
        """Leave it to `validate_authorization_request`, where Authlib looks at five parameters, and never redirects."""

    def validate_authorization_request(self) -> str:
        """Return the URI to redirect to (RFC 6749 §4.1.2.1); raise OAuth2Error, without it for a page."""
        request = authorization_request(self.request)
        client = cast(OAuthClient, self.server.query_client(request.parameters.get("client_id", "")))
        if not client.registration.exists:
            raise InvalidRequestError("the client_id is not that of an app that may be used here")
        redirect_uri = matches(client.registration.redirect_uris, request.parameters.get("redirect_uri"))
        if redirect_uri is None:
            raise InvalidRequestError("the redirect_uri is not one that the app is registered with")
        self.request.client = client
        try:
            for check in CHECKS:
                check(request, client)
            self.execute_hook("after_validate_authorization_request_payload", redirect_uri)
        except OAuth2Error as error:
            error.redirect_uri = redirect_uri
            raise
        return redirect_uri

    def create_authorization_response(
        self, redirect_uri: str, grant_user: Approval | None
    ) -> tuple[int, str, list[tuple[str, str]]]:
        """Redirect with a code; raise AccessDeniedError without an approval."""
        if grant_user is None:
            raise AccessDeniedError("the user refused", redirect_uri=redirect_uri)
        request = authorization_request(self.request)
        parameters = [("code", self._issue_code(grant_user, request))]
        if "state" in request.parameters:
            parameters.append(("state", request.parameters["state"]))
        return REDIRECT, "", [("Location", append_parameters(redirect_uri, parameters))]

    def validate_token_request(self) -> None:
        """Compare a redirect URI that only the token request has, where Authlib takes any."""
        super().validate_token_request()
        known, sent = self._known, self.parameters.get("redirect_uri")
        if known.redirect_uri is None and sent is not None and matches(self.registration.redirect_uris, sent) is None:
            raise InvalidGrantError("the redirect_uri is not that of the authorization request")

    def query_authorization_code(self, code: str, client: ClientMixin) -> StoredCode:
        """Find a code of this client, also a used one; refuse any other as a used one, where Authlib differs."""
        known = self.actions.codes.find(cast(OAuthClient, client).registration, code)
        if known is None:
            raise InvalidGrant(REFUSED)
        return StoredCode(known)

    def obtain_tokens(self, actor: Actor, client: KnownClient, confirmation: Confirmation) -> AppTokens:
        """Trade the code for tokens; a code that is bound to a key needs its proof (RFC 9449 §10)."""
        jkt = self._known.jkt
        if jkt is not None and confirmation.jkt is None:
            raise InvalidProof("the code is bound to a key: a DPoP proof is needed")
        if jkt is not None and confirmation.jkt != jkt:
            raise InvalidGrant("the proof is by another key than the one that the code is bound to")
        return self.actions.codes.redeem(actor, client, self.parameters["code"], *self.asked, confirmation)

    def _issue_code(self, approval: Approval, request: AuthorizationRequest) -> str:
        parameters = request.parameters
        terms = CodeTerms(
            granted=approval.granted,
            redirect_uri=parameters.get("redirect_uri"),
            code_challenge=parameters["code_challenge"],
            jkt=parameters.get("dpop_jkt"),
        )
        return self.actions.codes.issue(approval.actor, self.registration, terms)

    @property
    def _known(self) -> KnownCode:
        return cast(StoredCode, self.request.authorization_code).known


def _check_repeated(request: AuthorizationRequest, _client: OAuthClient) -> None:
    if request.repeated:
        raise InvalidRequestError("a parameter is repeated")  # RFC 6749 §3.1


def _check_request_objects(request: AuthorizationRequest, _client: OAuthClient) -> None:
    for name, error in NOT_SUPPORTED.items():
        if name in request.parameters:
            raise OAuth2Error(f"the parameter {name} is not supported", error=error)


def _check_response(request: AuthorizationRequest, _client: OAuthClient) -> None:
    if "response_type" not in request.parameters:
        raise InvalidRequestError("response_type is missing")
    if request.parameters["response_type"] != RESPONSE_TYPE:
        raise OAuth2Error("response_type must be code", error="unsupported_response_type")
    if request.parameters.get("response_mode", RESPONSE_MODE) != RESPONSE_MODE:
        raise OAuth2Error("response_mode must be query", error=OTHER_MODE)


def _check_grant_type(_request: AuthorizationRequest, client: OAuthClient) -> None:
    if not client.check_grant_type(AuthorizationCode.GRANT_TYPE):
        raise UnauthorizedClientError("the client is not registered for authorization codes")


def _check_prompt(request: AuthorizationRequest, _client: OAuthClient) -> None:
    if request.prompt - PROMPTS:
        raise InvalidRequestError("prompt must be none, or of login and consent")
    if "none" in request.prompt and len(request.prompt) > 1:
        raise InvalidRequestError("prompt none excludes other values")
    _ = request.max_age


def _check_key(request: AuthorizationRequest, _client: OAuthClient) -> None:
    if not THUMBPRINT.fullmatch(request.parameters.get("dpop_jkt", "A" * 43)):
        raise InvalidRequestError("dpop_jkt is not the SHA-256 thumbprint of a key in base64url")


CHECKS: tuple[Callable[[AuthorizationRequest, OAuthClient], None], ...] = (
    _check_repeated,
    _check_request_objects,
    _check_response,
    _check_grant_type,
    _check_prompt,
    _check_key,
)
