"""Introspection (RFC 7662) of every kind, cut to the caller's resources; only this module renders the members."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import request as flask_request

from app.actions.limits.windows import Window
from app.actions.sign_in.clients import KnownClient
from app.compose import Actions
from app.credentials.kind import Claims
from app.http.envelope import log_credential
from app.http.possession import PresentedToken, challenge, check_possession
from app.http.request import Request
from app.oauth.client_authentication import METHODS, authenticate_endpoint_client
from app.oauth.errors import NO_STORE
from app.oauth.form_reader import FormRequest
from app.operations import metrics
from app.settings.addresses import Address, read_address

SCOPE, MANAGE = "introspect", "manage"
SIGNED = "application/token-introspection+jwt"  # RFC 9701 §4
INACTIVE: dict[str, Any] = {"active": False}


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of the endpoint; `serves` None means every resource."""

    id: str
    serves: frozenset[str] | None


class TokenRefused(OAuth2Error):
    """The caller's own token is not accepted (RFC 7662 §2.3, RFC 6750 §3, RFC 9449 §7.1)."""

    def __init__(self, error: str, status: int, description: str, scheme: str) -> None:
        super().__init__(description, status_code=status, error=error)
        self._scheme = scheme

    def get_headers(self) -> list[tuple[str, str]]:
        """Add the challenge, of the scheme that the token was sent with."""
        scope = f', scope="{SCOPE}"' if self.status_code == 403 else ""
        value = challenge(self._scheme, f', error="{self.error}"{scope}')
        return [*super().get_headers(), ("WWW-Authenticate", value)]


class TokenIntrospection(IntrospectionEndpoint):
    """Accept a Bearer token as well as a client, and ignore the hint, where Authlib refuses an unknown one."""

    CLIENT_AUTH_METHODS = METHODS

    def create_endpoint_response(  # type: ignore[override]
        self, request: FormRequest
    ) -> tuple[int, Any, list[tuple[str, str]]]:
        """Authenticate the caller, then verify, cut and render."""
        actions: Actions = self.server.actions
        caller = self._authenticate_caller(request, actions)
        form = request.form
        if "token" not in form:
            raise InvalidRequestError("token is missing")
        body, claims = introspect(actions, form["token"], caller, read_client_ip(form.get("client_ip")))
        metrics.count_introspected(body.get("credential_type"), claims is not None)
        if claims is not None:
            log_credential(claims.credential_id)
        if flask_request.accept_mimetypes.best_match(["application/json", SIGNED]) == SIGNED:
            return 200, _sign_answer(body, caller, actions), [("Content-Type", SIGNED), *NO_STORE.items()]
        return 200, body, [("Content-Type", "application/json"), *NO_STORE.items()]

    def _authenticate_caller(self, request: FormRequest, actions: Actions) -> Caller:
        context = request.context
        if context.scheme not in ("bearer", "dpop"):
            return client_caller(actions, authenticate_endpoint_client(self, request).registration)
        if self.server.authentication.presented_methods(request):
            raise InvalidRequestError("a Bearer token and client authentication at once")
        return _token_caller(actions, context)


def client_caller(actions: Actions, client: KnownClient) -> Caller:
    """Return an authenticated client as the caller."""
    return Caller(client.client_id, actions.authenticate_client.serves(client))


def introspect(
    actions: Actions, token: str, caller: Caller, client_ip: Address | None
) -> tuple[dict[str, Any], Claims | None]:
    """Return the members of the answer (RFC 7662 §2.2), and the claims behind them if the token is active."""
    claims = actions.verify(token)
    if claims is not None and caller.serves is not None:
        claims = claims.cut_to(caller.serves)
    if claims is None or not claims.allows_address(client_ip):
        return INACTIVE, None  # RFC 7662 §2.2: never say why
    window = actions.spend_key_limit(claims)
    if window is not None and not window.admitted:
        return INACTIVE, None
    actions.usage.note(claims)
    return _members(actions.settings.issuer, claims, window), claims


def _members(issuer: str, claims: Claims, window: Window | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "active": True,
        "credential_type": claims.kind,
        "token_type": claims.confirmation.token_type,
        "scope": str(claims.scopes),
        "aud": list(claims.audience),
        "iss": issuer,
        "iat": _seconds(claims.issued_at),
        "jti": claims.credential_id,
    }
    if claims.expires_at is not None:
        body["exp"] = _seconds(claims.expires_at)
    body |= claims.owner
    if cnf := claims.confirmation.members():
        body["cnf"] = cnf  # RFC 9449 §6.2, RFC 8705 §3.2
    if claims.exchanged:
        body["exchanged"] = True
    if claims.actor:
        body["act"] = {"sub": claims.actor}  # RFC 8693 §4.1
    if window is not None:
        body["rate_limit"] = {
            "limit": window.limit,
            "remaining": window.remaining,
            "reset_seconds": window.reset_seconds,
        }
    return body


def _token_caller(actions: Actions, request: Request) -> Caller:
    """Return the caller by its Bearer or DPoP token, which sees every resource."""
    token, settings, scheme = request.credentials, actions.settings, request.scheme
    claims = actions.verify(token)
    if claims is None or claims.anonymous:
        raise TokenRefused("invalid_token", 401, "the token is not active, or is an API key", scheme)
    check_possession(claims, PresentedToken.sent_here(token, request, settings.issuer), actions.check_proof)
    own = claims.cut_to(frozenset({settings.management_identifier}))
    if own is None:
        raise TokenRefused("invalid_token", 401, "the token is for another audience", scheme)
    if SCOPE not in own.scopes and MANAGE not in own.scopes:
        raise TokenRefused("insufficient_scope", 403, f"the scope {SCOPE} is needed", scheme)
    actions.usage.note(claims)
    return Caller(claims.client_id or str(claims.subject), None)


def read_client_ip(text: str | None) -> Address | None:
    """Return the address that the resource server was called from; raise InvalidRequestError for a malformed one."""
    if not text:  # RFC 6749 §3.2: a parameter without a value is omitted
        return None
    try:
        return read_address(text)
    except ValueError:
        raise InvalidRequestError("client_ip is not an IP address: send one such as 192.0.2.7 or 2001:db8::7") from None


def _sign_answer(body: dict[str, Any], caller: Caller, actions: Actions) -> str:
    iat = _seconds(actions.clock())
    claims = {"iss": actions.settings.issuer, "aud": caller.id, "iat": iat, "token_introspection": body}
    with actions.store.connection() as connection:
        return actions.signing_keys.sign(connection, claims, typ="token-introspection+jwt")  # RFC 9701 §5


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
