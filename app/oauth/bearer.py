"""Callers of an OAuth endpoint that present a token of ours for the management API (RFC 6750, RFC 9449 §7.1)."""

from __future__ import annotations

from authlib.oauth2 import OAuth2Error
from flask import g

from app.actions.tokens.usage import MANAGEMENT_API, origin_of
from app.compose import Actions
from app.credentials.kind import Claims
from app.http.possession import PresentedToken, challenge, check_possession
from app.http.request import Request

MANAGE = "manage"
SCHEMES = ("bearer", "dpop")


class TokenRefused(OAuth2Error):
    """The caller's own token is not accepted (RFC 7662 §2.3, RFC 6750 §3, RFC 9449 §7.1)."""

    def __init__(self, error: str, status: int, description: str, scheme: str, scope: str = "") -> None:
        """Take the scheme that the token was sent with, and the scope that is needed where one is missing."""
        super().__init__(description, status_code=status, error=error)
        self._scheme = scheme
        self._scope = f', scope="{scope}"' if scope else ""

    def get_headers(self) -> list[tuple[str, str]]:
        """Add the challenge, of the scheme that the token was sent with."""
        value = challenge(self._scheme, f', error="{self.error}"{self._scope}')
        return [*super().get_headers(), ("WWW-Authenticate", value)]


def management_claims(actions: Actions, request: Request, scope: str) -> Claims:
    """Return the claims of the caller's token if it holds `scope`, or `manage`, on the management API; no app's.

    Raises TokenRefused and Unproven.
    """
    token, settings, scheme = request.credentials, actions.settings, request.scheme
    claims = g.bearer = actions.verify.judge(token)
    if not isinstance(claims, Claims) or claims.anonymous:
        raise TokenRefused("invalid_token", 401, "the token is not active, or is an API key", scheme)
    check_possession(claims, PresentedToken.sent_here(token, request, settings.issuer), actions.check_proof)
    own = claims.cut_to(frozenset({settings.management_identifier}))
    if own is None:
        raise TokenRefused("invalid_token", 401, "the token is for another audience", scheme)
    if claims.through_app:
        raise TokenRefused(
            "insufficient_scope", 403, "an app that acts for a user cannot create or read a credential", scheme
        )
    if scope not in own.scopes and MANAGE not in own.scopes:
        raise TokenRefused("insufficient_scope", 403, f"the scope {scope} is needed", scheme, scope)
    actions.usage.note(own, origin_of(MANAGEMENT_API, request.address))
    return claims
