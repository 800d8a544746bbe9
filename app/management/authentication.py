"""Who calls: a Bearer credential of our own making, or on /me a user with their password or their browser."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NoReturn

from flask import request

from app.access.scopes import Scopes
from app.actions.audit.actor import Actor, anonymous
from app.credentials.kind import Claims
from app.crypto.probe_mac import HEADER as PROBE
from app.errors import Forbidden, Unauthenticated
from app.http import browser
from app.http.current import actions
from app.http.envelope import request_id, used_credential
from app.http.peer import caller_address
from app.http.possession import prove, sent_to_us

TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1
INVALID = "invalid_token"
SAFE = ("GET", "HEAD")


def by_bearer(scope: str) -> Actor:
    """Give the caller whose credential holds `scope`, or `manage`, on this API now.

    Raises Unauthenticated and Forbidden (RFC 6750 §3.1).
    """
    claims = _proven()
    management = actions().settings.management_identifier
    if claims.anonymous or management not in claims.audience:
        raise Unauthenticated("the token is not for the management API", INVALID)
    actor = _actor(claims, claims.grants.on([management]).scopes)
    if not actor.holds(scope):
        raise Forbidden(f"the token lacks the scope {scope}", scope)
    return _using(claims, actor)


def by_visitor() -> Actor:
    """Give anybody, or the caller whose credential was sent, with what it may do on this API: perhaps nothing.

    Raises Unauthenticated for a credential that is not good.
    """
    if "Authorization" not in request.headers:
        return anonymous(caller_address(), request_id())
    claims = _proven()
    return _using(claims, _actor(claims, claims.grants.on([actions().settings.management_identifier]).scopes))


def by_owner(*, reading: bool) -> Actor:
    """Give the user who sends username and password, or is signed in with a browser.

    For `reading`, their personal access token will do. Raises Unauthenticated, Forbidden, TooManyRequests.
    """
    if "Authorization" not in request.headers and (browsing := browser.signed_in()):
        return _from_page(browsing.actor)
    scheme, value = _authorization()
    if scheme == "basic":
        username, password = _read_basic(value)
        _refuse_foreign_page()
        probe = request.headers.get(PROBE, "")
        return actions().authenticate_user(username, password, caller_address(), request_id(), probe=probe)
    if scheme != "bearer":
        raise Unauthenticated("send a username and a password")
    claims = _proven()
    if claims.anonymous:
        raise Unauthenticated("an API key stands for nobody", INVALID)
    if not reading or not claims.personal:
        raise Forbidden("only the user's own password opens this")
    return _using(claims, _actor(claims, Scopes()))


def _from_page(actor: Actor) -> Actor:
    if request.method not in SAFE and not browser.shows_token():  # another site's form would bring the cookie too
        raise Forbidden("send the token of your page as X-CSRF-Token")
    return actor


def _refuse_foreign_page() -> None:
    """A browser that remembers a password sends it with what another site's page asks for, too (Fetch Metadata)."""
    if request.method not in SAFE and request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise Forbidden("a page of another site sent this")


def _actor(claims: Claims, management: Scopes) -> Actor:
    return Actor(
        type="user" if claims.delegated else "client",
        id=claims.subject or "",
        name=claims.username or "",
        credential_id=claims.credential_id,
        management=management,
        delegated=claims.delegated,
        address=caller_address(),
        request_id=request_id(),
    )


def _using(claims: Claims, actor: Actor) -> Actor:
    actions().usage.note(claims)
    return actor


def _active(token: str) -> Claims:
    claims = actions().verify(token)
    if claims is None:
        raise Unauthenticated("the token is not active", INVALID)
    used_credential(claims.credential_id, claims.kind)
    return claims


def _proven() -> Claims:
    """Give the claims of the token that was sent, by who may send it (RFC 9449 §7)."""
    scheme, value = _authorization()
    if scheme not in ("bearer", "dpop"):
        raise Unauthenticated("send a Bearer token")
    if TOKEN68.fullmatch(value) is None:
        raise Unauthenticated("the token is malformed", INVALID)
    claims = _active(value)
    prove(claims, sent_to_us(scheme, value))
    return claims


def _authorization() -> tuple[str, str]:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower(), value.strip(" ")


def _read_basic(value: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        _malformed()
    return (username, password) if colon else _malformed()


def _malformed() -> NoReturn:
    raise Unauthenticated("the Authorization header is malformed")
