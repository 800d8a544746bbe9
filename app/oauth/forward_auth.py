"""Forward-auth: a gateway sends the headers of a request and asks whether to let it through."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from flask import Blueprint, Response, request
from flask import Request as FlaskRequest
from flask.sansio.blueprints import BlueprintSetupState
from werkzeug.routing import Rule

from app.access.scopes import MalformedScope, Scopes
from app.actions.limits.abuse import CREDENTIALS_OF_ADDRESS, WAIT
from app.actions.tokens.refusals import Presented
from app.actions.tokens.usage import FORWARD_AUTH as GATEWAY
from app.actions.tokens.usage import origin_of
from app.compose import Actions
from app.credentials.kind import Address, Claims, Verdict
from app.credentials.reasons import Reason
from app.errors import Unproven
from app.http.envelope import log_credential, logged_kind
from app.http.possession import REALM, PresentedToken, challenge, challenges, check_possession
from app.http.refusal import log_refusal
from app.http.request import Request, read_request
from app.oauth.original_request import read_original_request
from app.operations import metrics
from app.operations.paths import FORWARD_AUTH

PRINTABLE = "".join(map(chr, range(0x21, 0x7F))).replace("%", "") + " "
LONGEST_CHALLENGE_SCOPE = 1_000  # characters of the scopes in a challenge
ENDPOINT = "forward_auth.forward_auth"
REFUSED = "latchkey.refused_because"  # why the fast lane refused the credential, so that it is not looked up again
STATED = {
    "invalid_token": Reason.MALFORMED,  # a header that cannot be read
    "invalid_request": Reason.INVALID_REQUEST,
    "rate_limited": Reason.RATE_LIMITED,
}
TOKEN_AS_USERNAME = frozenset({b"", b"x-oauth-basic", b"x-token-auth"})  # passwords that mark the user name as a token
LONGEST_IDENTITY = 3_500  # bytes of the six headers: with 560 of the others they fit a gateway's buffer of 4,096
LONGEST_REQUESTED_SCOPE = 2_000  # bytes of the requested scopes, which every answer must be able to hold
LONGEST_USERNAME = 1_200  # bytes


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What the gateway requires: the resource, and scopes that must all be granted."""

    resource: str
    scopes: Scopes

    def __post_init__(self) -> None:
        """Refuse scopes that would not fit into the headers of an answer."""
        if self.scopes and len(str(self.scopes)) > LONGEST_REQUESTED_SCOPE:
            raise Refusal(
                400, "invalid_request", f"scope is longer than {LONGEST_REQUESTED_SCOPE} characters: ask for fewer"
            )


class Refusal(Exception):
    """An answer other than 200. `error` is an RFC 6750 §3.1 code, None when nothing was sent."""

    def __init__(self, status: int, error: str | None, description: str, **more: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.more = more
        self.challenges: list[str] = []
        self.verdict: Verdict = None
        self.reason: Reason | None = None

    def because(self, reason: Reason | None, verdict: Verdict) -> Refusal:
        """Add what is known of the reason, for the log alone."""
        self.reason, self.verdict = reason, verdict
        return self


def create_blueprint(actions: Actions) -> Blueprint:
    """Return the route for every method, unregistered ones too: a gateway forwards its caller's method."""
    blueprint = Blueprint("forward_auth", __name__)

    def forward_auth() -> Response:
        return answer_gateway(request, actions)

    @blueprint.record
    def add_route(state: BlueprintSetupState) -> None:  # Flask's own way needs a list of methods
        state.app.url_map.add(Rule(FORWARD_AUTH, endpoint=ENDPOINT, methods=None))
        state.app.view_functions[ENDPOINT] = forward_auth

    return blueprint


def answer_gateway(request: FlaskRequest, actions: Actions) -> Response:
    """Answer 200 with the identity behind the credential, or refuse. The method, the body and Accept do not matter."""
    context, token = read_request(request, actions.settings, actions.clock), ""
    try:
        wanted = read_access_request(request)
        token, from_url = read_credential(request, actions.settings.forward_auth_query_key)
        presented = PresentedToken(token, context, *read_original_request(request.headers))
        if REFUSED in request.environ:
            raise _inactive(request.environ[REFUSED])
        claims = admit(
            actions,
            wanted,
            token,
            from_url,
            lambda claims: _check_possession(claims, presented, actions),
            lambda: context.address,
            log_credential,
        )
        headers = identity_headers(claims, wanted)
        actions.usage.note(claims, origin_of(GATEWAY, context.address))
    except Refusal as refusal:
        final = _count_refusal(refusal, context, actions)
        _log_reason(final, Presented(token, request.args.get("resource", ""), address=context.address), actions)
        return _refuse(final, context, request.args.get("challenge") == "basic")
    return Response("", 200, headers)


def _log_reason(refusal: Refusal, presented: Presented, actions: Actions) -> None:
    """Name the reason in the log line; beyond the limit of its address no refusal is looked up."""
    stated = refusal.reason
    if stated is None and not presented.token:
        stated = Reason.MISSING if refusal.error is None else STATED.get(refusal.error, Reason.INVALID_REQUEST)
    elif stated is None and refusal.error != "invalid_token":
        stated = STATED.get(refusal.error or "", Reason.INVALID_PROOF)
    explanation = actions.refusals.note(presented, refusal.verdict, stated)
    actions.reuse.note(presented, explanation)
    log_refusal(refusal.error or "unauthorized", explanation, presented.resource)


def _count_refusal(refusal: Refusal, request: Request, actions: Actions) -> Refusal:
    """Count an invalid credential at its caller's address; return another refusal beyond the limit."""
    if refusal.error != "invalid_token":
        return refusal
    wait = actions.abuse_limits.count(CREDENTIALS_OF_ADDRESS.at(request.peer)).wait
    return Refusal(429, "rate_limited", WAIT, retry_after=str(wait)) if wait else refusal


def read_access_request(request: FlaskRequest) -> AccessRequest:
    """Return what the query requires; raise Refusal."""
    for name in request.args:
        if len(request.args.getlist(name)) > 1:
            raise Refusal(400, "invalid_request", "a parameter is repeated")
    resource = request.args.get("resource", "")
    if not resource:
        raise Refusal(400, "invalid_request", "resource is missing")
    try:
        return AccessRequest(resource, Scopes.parse(request.args.get("scope", "")))
    except MalformedScope:
        raise Refusal(400, "invalid_request", "scope is malformed") from None


def read_credential(request: FlaskRequest, key_name: str) -> tuple[str, bool]:
    """Return the one credential sent, and whether it is in the URL, as `key_name`; refuse two (RFC 6750 §2)."""
    candidates = [
        (_from_authorization(request.headers.getlist("Authorization")), False),
        *((value, False) for value in _split(request.headers.getlist("X-API-Key"))),
        *((value, True) for value in (request.args.getlist(key_name) if key_name else [])),
    ]
    sent = [(value, from_url) for value, from_url in candidates if value]
    if len(sent) > 1:
        raise Refusal(400, "invalid_request", "more than one credential")
    if not sent:
        raise Refusal(401, None, "a credential is needed")
    return sent[0]


def _split(headers: list[str]) -> list[str]:
    """Split what the server joined: a header that was sent twice arrives as one with a comma (RFC 9110 §5.3)."""
    return [part.strip() for header in headers for part in header.split(",") if part.strip()]


def _from_authorization(headers: list[str]) -> str:
    sent = _split(headers)
    if len(sent) > 1:
        raise Refusal(400, "invalid_request", "more than one credential")
    scheme, _, value = (sent or [""])[0].partition(" ")
    if scheme.lower() in ("bearer", "dpop"):
        return value.strip()
    return _from_basic(value.strip()) if scheme.lower() == "basic" else ""


def _from_basic(value: str) -> str:
    """Return the password, or the user name if the password marks it as the token (RFC 7617 §2)."""
    try:
        username, colon, password = base64.b64decode(value, validate=True).partition(b":")
        if not colon:
            raise ValueError
        if password not in TOKEN_AS_USERNAME:
            return password.decode("ascii")
        return username.decode("ascii") if password or _is_token(username) else ""
    except (binascii.Error, ValueError):
        raise Refusal(401, "invalid_token", "the Authorization header cannot be read") from None


def _is_token(username: bytes) -> bool:
    """Return whether a user name without a password looks like a token, and not like a person's name."""
    return username.startswith(b"lk_") or username.count(b".") == 2


def admit(
    actions: Actions,
    wanted: AccessRequest,
    token: str,
    from_url: bool,
    check_holder: Callable[[Claims], None],
    read_address: Callable[[], Address | None],
    log: Callable[[str, str], None],
) -> Claims:
    """Return the claims of a credential that may pass, or raise Refusal.

    `check_holder` raises when the sender does not hold what the token is bound to; `read_address` is called only
    for a key that is restricted to networks; `log` takes the credential's id and kind as soon as they are known.
    """
    verdict = actions.verify.judge(token)
    claims = verdict.cut_to(frozenset({wanted.resource})) if isinstance(verdict, Claims) else None
    if claims is None or (from_url and not claims.anonymous):
        raise _inactive(verdict, None if claims is None else Reason.INVALID_REQUEST)
    log(claims.credential_id, claims.kind)
    check_holder(claims)
    if claims.allowed_networks and not claims.allows_address(read_address()):
        raise Refusal(403, "insufficient_scope", "the key is not allowed from this address").because(
            Reason.WRONG_NETWORK, claims
        )
    if missing := wanted.scopes - claims.scopes:
        refused = Refusal(403, "insufficient_scope", "a scope is missing", scope=str(missing))
        raise refused.because(Reason.INSUFFICIENT_SCOPE, claims)
    window = actions.spend_key_limit(claims)
    if window is not None and not window.admitted:
        refused = Refusal(429, "rate_limited", "the key's rate limit is spent", retry_after=str(window.reset_seconds))
        raise refused.because(Reason.RATE_LIMITED, claims)
    return claims


def _inactive(verdict: Verdict, reason: Reason | None = None) -> Refusal:
    refused = Refusal(401, "invalid_token", "the credential is not active, or is for another audience")
    return refused.because(reason, verdict)


def _check_possession(claims: Claims, presented: PresentedToken, actions: Actions) -> None:
    """Raise Refusal unless the sender holds what the token is bound to, for the request that the gateway names."""
    try:
        check_possession(claims, presented, actions.check_proof)
    except Unproven as error:
        refusal = Refusal(401, error.error, str(error), **({"nonce": error.nonce} if error.nonce else {}))
        refusal.challenges = challenges(error)
        raise refusal.because(Reason.INVALID_PROOF, claims) from None


def identity_headers(claims: Claims, wanted: AccessRequest) -> Mapping[str, str]:
    """Return all six headers, empty where one does not apply: a gateway copies a missing one from its caller.

    Scopes that are too long for gateways are replaced by the requested ones; a user name that is too long is left out,
    since its beginning may be another user's.
    """
    username = quote(claims.username or "", safe=PRINTABLE)
    headers = {
        "X-Auth-Credential-Type": claims.kind,
        "X-Auth-Subject": claims.subject or "",
        "X-Auth-Username": username if len(username) <= LONGEST_USERNAME else "",
        "X-Auth-Client-Id": claims.client_id or "",
        "X-Auth-Scope": str(claims.scopes),
        "X-Auth-Credential-Id": claims.credential_id,
    }
    if sum(len(name) + len(value) + len(": \r\n") for name, value in headers.items()) > LONGEST_IDENTITY:
        headers["X-Auth-Scope"] = str(wanted.scopes)
    return headers | {"Cache-Control": "no-store"}


def _refuse(refusal: Refusal, request: Request, basic: bool) -> Response:
    metrics.count_refused(logged_kind(), refusal.error or "nothing_sent")
    body = json.dumps({"error": refusal.error or "unauthorized", "error_description": str(refusal)})
    answer = Response(body, refusal.status, {"Cache-Control": "no-store"}, content_type="application/json")
    if refusal.status in (401, 403):
        answer.headers.extend([("WWW-Authenticate", value) for value in _challenges(refusal, request.scheme, basic)])
    if "nonce" in refusal.more:
        answer.headers["DPoP-Nonce"] = refusal.more["nonce"]  # RFC 9449 §9
    if "retry_after" in refusal.more:
        answer.headers["Retry-After"] = refusal.more["retry_after"]
    return answer


def _challenges(refusal: Refusal, scheme: str, basic: bool) -> list[str]:
    """Return the RFC 6750 §3 challenge, that of DPoP if it was used, or the Basic one that git and npm wait for."""
    if refusal.challenges:
        return refusal.challenges
    if basic and refusal.status == 401 and scheme != "dpop":
        return [f'Basic realm="{REALM}", charset="UTF-8"']
    parameters = f', error="{refusal.error}"' if refusal.error else ""
    scope = refusal.more.get("scope", "")
    parameters += f', scope="{scope}"' if 0 < len(scope) <= LONGEST_CHALLENGE_SCOPE else ""  # optional (RFC 6750 §3)
    return [challenge(scheme, parameters)]
