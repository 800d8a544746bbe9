"""Proof Key for Code Exchange (RFC 7636): S256, for every client."""

from __future__ import annotations

import hmac
import re

from authlib.oauth2.rfc6749 import AuthorizationCodeGrant, InvalidRequestError
from authlib.oauth2.rfc7636 import CodeChallenge, create_s256_code_challenge

from app.oauth.authorization_request import authorization_request

METHOD = "S256"
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # RFC 7636 §4.2: a SHA-256 digest in base64url
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 §4.1


def matches_challenge(verifier: str, challenge: str) -> bool:
    """Return whether a challenge was made of this verifier, in constant time."""
    return hmac.compare_digest(create_s256_code_challenge(verifier), challenge)  # type: ignore[no-untyped-call]


class RequiredChallenge(CodeChallenge):
    """Demand S256 of every client, where Authlib lets confidential ones go without, and takes `plain` as default."""

    DEFAULT_CODE_CHALLENGE_METHOD = METHOD
    SUPPORTED_CODE_CHALLENGE_METHOD = [METHOD]  # noqa: RUF012 - as Authlib declares it
    CODE_CHALLENGE_METHODS = {METHOD: matches_challenge}  # noqa: RUF012

    def validate_code_challenge(self, grant: AuthorizationCodeGrant, redirect_uri: str) -> None:
        """Check the authorization request; Authlib's pattern also takes a line feed at the end."""
        parameters = authorization_request(grant.request).parameters
        if "code_challenge" not in parameters:
            raise InvalidRequestError("code_challenge is missing: PKCE is required")  # RFC 7636 §4.4.1
        if parameters.get("code_challenge_method") != METHOD:
            raise InvalidRequestError(f"code_challenge_method must be {METHOD}")
        if not CHALLENGE.fullmatch(parameters["code_challenge"]):
            raise InvalidRequestError("code_challenge is not a SHA-256 digest in base64url")

    def validate_code_verifier(self, grant: AuthorizationCodeGrant, result: object) -> None:
        """Check the token request; Authlib's pattern also takes a line feed at the end."""
        verifier = grant.request.form.get("code_verifier", "")
        if verifier and not VERIFIER.fullmatch(verifier):
            raise InvalidRequestError("code_verifier is not 43 to 128 letters, digits or -._~")
        super().validate_code_verifier(grant, result)

    def get_authorization_code_challenge_method(self, authorization_code: object) -> str:
        """Return the only method there is."""
        return METHOD
