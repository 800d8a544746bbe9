"""Introspection (RFC 7662) of every kind, cut to the caller's resources; only this module renders the members."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import request as flask_request

from app.actions.limits.windows import Window
from app.actions.sign_in.clients import KnownClient
from app.actions.tokens.refusals import Presented
from app.actions.tokens.usage import origin_of
from app.compose import Actions
from app.credentials.kind import Claims, Verdict
from app.credentials.reasons import Reason
from app.http.envelope import log_credential
from app.http.refusal import refusal_fields, set_refusal
from app.http.request import Request
from app.oauth.bearer import SCHEMES, management_claims
from app.oauth.client_authentication import METHODS, authenticate_endpoint_client
from app.oauth.errors import NO_STORE
from app.oauth.form_reader import FormRequest
from app.operations import metrics
from app.settings.addresses import Address, read_address

SCOPE = "introspect"
SIGNED = "application/token-introspection+jwt"  # RFC 9701 §4
NOT_ACTIVE = "inactive"  # the `error` of a log line: the answer has none
INACTIVE: dict[str, Any] = {"active": False}
INACTIVE_TEXT = json.dumps(INACTIVE).encode()


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of the endpoint; `serves` None means every resource."""

    id: str
    serves: frozenset[str] | None


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
        refusals: dict[str, str] = {}
        body, claims = introspect(actions, form["token"], caller, read_client_ip(form.get("client_ip")), refusals)
        if refusals:
            set_refusal(refusals)
        metrics.count_introspected(claims.kind if claims else None, claims is not None)
        if claims is not None:
            log_credential(claims.credential_id, claims.kind)
        if flask_request.accept_mimetypes.best_match(["application/json", SIGNED]) == SIGNED:
            return 200, _sign_answer(body, caller, actions), [("Content-Type", SIGNED), *NO_STORE.items()]
        return 200, body, [("Content-Type", "application/json"), *NO_STORE.items()]

    def _authenticate_caller(self, request: FormRequest, actions: Actions) -> Caller:
        context = request.context
        if context.scheme not in SCHEMES:
            return client_caller(actions, authenticate_endpoint_client(self, request).registration)
        if self.server.authentication.presented_methods(request):
            raise InvalidRequestError("a Bearer token and client authentication at once")
        return _token_caller(actions, context)


def client_caller(actions: Actions, client: KnownClient) -> Caller:
    """Return an authenticated client as the caller."""
    return Caller(client.client_id, actions.authenticate_client.serves(client))


def introspect(
    actions: Actions, token: str, caller: Caller, client_ip: Address | None, refusal: dict[str, str]
) -> tuple[dict[str, Any], Claims | None]:
    """Return the members of the answer (RFC 7662 §2.2), and the claims behind them if the token is active.

    Why it is not active goes into `refusal`, for the log alone.
    """

    def refuse(known: Verdict, stated: Reason | None) -> tuple[dict[str, Any], None]:
        presented = Presented(token, _served(caller), address=client_ip, caller=caller.id)
        explanation = actions.refusals.note(presented, known, stated)
        actions.reuse.note(presented, explanation)
        refusal.update(refusal_fields(NOT_ACTIVE, explanation, presented.resource))
        return INACTIVE, None  # RFC 7662 §2.2: never say why

    verdict = actions.verify.judge(token)
    claims = verdict if isinstance(verdict, Claims) else None
    if claims is not None and caller.serves is not None:
        claims = claims.cut_to(caller.serves)
    if isinstance(verdict, Claims) and claims is None:
        return refuse(verdict, Reason.WRONG_RESOURCE)
    if claims is None:
        own = verdict or _own_refresh_token(actions, token, caller)
        return (own, None) if isinstance(own, dict) else refuse(own, None)
    if not claims.allows_address(client_ip):
        return refuse(claims, Reason.WRONG_NETWORK)
    window = actions.spend_key_limit(claims)
    if window is not None and not window.admitted:
        return refuse(claims, Reason.RATE_LIMITED)
    actions.usage.note(claims, origin_of(caller.id, client_ip))
    return _members(actions.settings.issuer, claims, window), claims


def _served(caller: Caller) -> str:
    """Return the resource of the caller, if it is a single one."""
    return next(iter(caller.serves)) if caller.serves is not None and len(caller.serves) == 1 else ""


def _own_refresh_token(actions: Actions, token: str, caller: Caller) -> dict[str, Any] | Reason | None:
    """Return the members for a refresh token of the client that calls: to a resource server it is never active."""
    return None if caller.serves is None else actions.introspect_refresh_token(token, caller.id)


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
    claims = management_claims(actions, request, SCOPE)
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
