"""Forward-auth: a gateway asks with the request's own headers whether to let it through."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from flask import Blueprint, Request, Response, request
from flask.sansio.blueprints import BlueprintSetupState
from werkzeug.routing import Rule

from app.access.scopes import MalformedScope, Scopes
from app.actions.limits.abuse import CREDENTIALS_OF_ADDRESS, WAIT
from app.compose import Actions
from app.credentials.kind import Address, Claims
from app.errors import Unproven
from app.http.current import actions
from app.http.envelope import used_credential, used_kind
from app.http.peer import caller_address, peer_address
from app.http.possession import REALM, Sent, challenge, challenges, prove, scheme_used
from app.http.request_target import FORWARD_AUTH
from app.oauth.original import original_request
from app.operations import metrics

PRINTABLE = "".join(map(chr, range(0x21, 0x7F))).replace("%", "") + " "
LONGEST_NAMED = 1_000  # characters of the scopes that a challenge names
ENDPOINT = "forward_auth.forward_auth"
BESIDE_A_USERNAME = frozenset({b"", b"x-oauth-basic", b"x-token-auth"})  # passwords beside which the token is the user
LONGEST_IDENTITY = 3_500  # bytes of the six headers: with 560 for all others a gateway's buffer of 4,096 holds them
LONGEST_ASKED = 2_000  # bytes of the scopes asked for, which each answer must be able to hold
LONGEST_USERNAME = 1_200  # bytes
blueprint = Blueprint("forward_auth", __name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the gateway asks: the resource, and the scopes that are all needed."""

    resource: str
    scopes: Scopes

    def __post_init__(self) -> None:
        """Refuse scopes that would not fit into the headers of an answer."""
        if self.scopes and len(str(self.scopes)) > LONGEST_ASKED:
            raise Refusal(400, "invalid_request", f"scope is longer than {LONGEST_ASKED} characters: ask for fewer")


class Refusal(Exception):
    """An answer other than 200. `error` is an RFC 6750 §3.1 code, None when nothing was sent."""

    def __init__(self, status: int, error: str | None, description: str, **more: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.more = more
        self.challenges: list[str] = []


@blueprint.record
def add_route(state: BlueprintSetupState) -> None:
    """Route every method here, made-up ones too: a gateway hands on the caller's. Flask's own way wants a list."""
    state.app.url_map.add(Rule(FORWARD_AUTH, endpoint=ENDPOINT, methods=None))
    state.app.view_functions[ENDPOINT] = forward_auth


def forward_auth() -> Response:
    """Answer 200 with whose credential it is, or refuse. The method, the body and Accept change nothing."""
    basic = request.args.get("challenge") == "basic"
    try:
        asked = _asked(request)
        token, from_url = _credential(request)
        claims = admit(actions(), asked, token, from_url, lambda c: _prove(c, token), peer_address, used_credential)
        headers = headers_of(claims, asked)
    except Refusal as refusal:
        return _refuse(_counted(refusal), basic)
    return Response("", 200, headers)


def _counted(refusal: Refusal) -> Refusal:
    """Count what is not good at its caller's address; beyond the limit the refusal is another."""
    if refusal.error != "invalid_token":
        return refusal
    wait = actions().abuse_limits.count(CREDENTIALS_OF_ADDRESS.at(caller_address())).wait
    return Refusal(429, "rate_limited", WAIT, retry_after=str(wait)) if wait else refusal


def _asked(request: Request) -> Asked:
    for name in request.args:
        if len(request.args.getlist(name)) > 1:
            raise Refusal(400, "invalid_request", "a parameter is repeated")
    resource = request.args.get("resource", "")
    if not resource:
        raise Refusal(400, "invalid_request", "resource is missing")
    try:
        return Asked(resource, Scopes.parse(request.args.get("scope", "")))
    except MalformedScope:
        raise Refusal(400, "invalid_request", "scope is malformed") from None


def _credential(request: Request) -> tuple[str, bool]:
    """Give the one credential sent, and whether it came in the URL; two are refused (RFC 6750 §2)."""
    key_name = actions().settings.forward_auth_query_key
    ways = [
        (_from_authorization(request.headers.getlist("Authorization")), False),
        *((value, False) for value in _each(request.headers.getlist("X-API-Key"))),
        *((value, True) for value in (request.args.getlist(key_name) if key_name else [])),
    ]
    sent = [(value, from_url) for value, from_url in ways if value]
    if len(sent) > 1:
        raise Refusal(400, "invalid_request", "more than one credential")
    if not sent:
        raise Refusal(401, None, "a credential is needed")
    return sent[0]


def _each(headers: list[str]) -> list[str]:
    """Take apart what the server joined: a header that was sent twice comes as one with a comma (RFC 9110 §5.3)."""
    return [part.strip() for header in headers for part in header.split(",") if part.strip()]


def _from_authorization(headers: list[str]) -> str:
    given = _each(headers)
    if len(given) > 1:
        raise Refusal(400, "invalid_request", "more than one credential")
    scheme, _, value = (given or [""])[0].partition(" ")
    if scheme.lower() in ("bearer", "dpop"):
        return value.strip()
    return _from_basic(value.strip()) if scheme.lower() == "basic" else ""


def _from_basic(value: str) -> str:
    """Return the password, or where that says so the user name; the other half may be any bytes (RFC 7617 §2)."""
    try:
        username, colon, password = base64.b64decode(value, validate=True).partition(b":")
        if not colon:
            raise ValueError
        if password not in BESIDE_A_USERNAME:
            return password.decode("ascii")
        return username.decode("ascii") if password or _is_token(username) else ""
    except (binascii.Error, ValueError):
        raise Refusal(401, "invalid_token", "the Authorization header cannot be read") from None


def _is_token(username: bytes) -> bool:
    """Return whether a user name without a password is meant as a token, and not as a person's name."""
    return username.startswith(b"lk_") or username.count(b".") == 2


def admit(
    known: Actions,
    asked: Asked,
    token: str,
    from_url: bool,
    prove: Callable[[Claims], None],
    peer: Callable[[], Address | None],
    note: Callable[[str, str], None],
) -> Claims:
    """Give the claims of what may pass, or raise Refusal. Needs no request: `peer` is asked only where it matters.

    `prove` raises for a token whose sender does not prove to be its holder. `note` is told the credential's id and
    kind as soon as they are known.
    """
    verified = known.verify(token)
    claims = verified.cut_to(frozenset({asked.resource})) if verified else None
    if claims is None or (from_url and not claims.anonymous):
        raise Refusal(401, "invalid_token", "the credential is not active, or is for another audience")
    note(claims.credential_id, claims.kind)
    prove(claims)
    if claims.allowed_networks and not claims.allows_address(peer()):
        raise Refusal(403, "insufficient_scope", "the key is not allowed from this address")
    if missing := asked.scopes - claims.scopes:
        raise Refusal(403, "insufficient_scope", "a scope is missing", scope=str(missing))
    window = known.spend_key_limit(claims)
    if window is not None and not window.admitted:
        raise Refusal(429, "rate_limited", "the key's rate limit is spent", retry_after=str(window.reset_seconds))
    known.usage.note(claims)
    return claims


def _prove(claims: Claims, token: str) -> None:
    """Let pass who proves to hold the key that the token is bound to, for the request that the gateway tells of."""
    try:
        prove(claims, Sent(scheme_used(), token, *original_request(request.headers)))
    except Unproven as error:
        refusal = Refusal(401, error.error, str(error), **({"nonce": error.nonce} if error.nonce else {}))
        refusal.challenges = challenges(error)
        raise refusal from None


def headers_of(claims: Claims, asked: Asked) -> Mapping[str, str]:
    """Return all six, empty where one does not apply: a gateway copies what is missing from the caller.

    A list of scopes that is too long for gateways gives way to those asked for; a name that is too long is left out,
    for its beginning may be another user's.
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
        headers["X-Auth-Scope"] = str(asked.scopes)
    return headers | {"Cache-Control": "no-store"}


def _refuse(refusal: Refusal, basic: bool) -> Response:
    metrics.refused(used_kind(), refusal.error or "nothing_sent")
    body = json.dumps({"error": refusal.error or "unauthorized", "error_description": str(refusal)})
    answer = Response(body, refusal.status, {"Cache-Control": "no-store"}, content_type="application/json")
    if refusal.status in (401, 403):
        answer.headers.extend([("WWW-Authenticate", value) for value in _challenges(refusal, basic)])
    if "nonce" in refusal.more:
        answer.headers["DPoP-Nonce"] = refusal.more["nonce"]  # RFC 9449 §9
    if "retry_after" in refusal.more:
        answer.headers["Retry-After"] = refusal.more["retry_after"]
    return answer


def _challenges(refusal: Refusal, basic: bool) -> list[str]:
    """Give the RFC 6750 §3 challenge, that of DPoP to who used it, or the Basic one that git and npm wait for."""
    if refusal.challenges:
        return refusal.challenges
    if basic and refusal.status == 401 and scheme_used() != "dpop":
        return [f'Basic realm="{REALM}", charset="UTF-8"']
    said = f', error="{refusal.error}"' if refusal.error else ""
    scope = refusal.more.get("scope", "")
    said += f', scope="{scope}"' if 0 < len(scope) <= LONGEST_NAMED else ""  # optional (RFC 6750 §3)
    return [challenge(scheme_used(), said)]
