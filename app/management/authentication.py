"""Authenticate the caller: by a Bearer credential of ours, or on /me by a password or a browser's sign-in."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NoReturn

from flask import g, request

from app.access.scopes import Scopes
from app.actions.audit.actor import Actor, anonymous
from app.actions.sign_in.sessions import SignedIn
from app.actions.tokens.usage import MANAGEMENT_API, origin_of
from app.compose import Actions
from app.credentials.kind import Claims
from app.crypto.probe_mac import HEADER as PROBE
from app.errors import Forbidden, Unauthenticated
from app.http import browser
from app.http.envelope import log_credential
from app.http.possession import PresentedToken, check_possession
from app.http.request import Request, read_request

TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1
INVALID = "invalid_token"
SAFE = ("GET", "HEAD")
MAKING = "POST"  # the method of each operation of /me that makes a credential


def authenticate_bearer(actions: Actions, scope: str, *, apps: bool) -> Actor:
    """Return the caller whose credential holds `scope`, or `manage`, on this API now; `apps`: also an app for a user.

    Raises Unauthenticated and Forbidden (RFC 6750 §3.1).
    """
    claims = _verify_bearer(actions)
    management = actions.settings.management_identifier
    if claims.anonymous or management not in claims.audience:
        raise Unauthenticated("the token is not for the management API", INVALID)
    if claims.through_app and not apps:
        raise Forbidden("an app that acts for a user cannot create, read or change a credential")
    actor = _actor(actions, claims, claims.grants.on([management]).scopes)
    if not actor.holds(scope):
        raise Forbidden(f"the token lacks the scope {scope}", scope)
    return _note_use(actions, claims, actor)


def authenticate_optionally(actions: Actions) -> Actor:
    """Return the anonymous caller, or the one whose credential was sent, with its scopes on this API, an app with none.

    Raises Unauthenticated for a credential that is not active.
    """
    if "Authorization" not in request.headers:
        context = _read_context(actions)
        return anonymous(context.peer, context.id)
    claims = _verify_bearer(actions)
    management = claims.grants.on([actions.settings.management_identifier]).scopes
    return _note_use(actions, claims, _actor(actions, claims, Scopes() if claims.through_app else management))


def authenticate_owner(actions: Actions, *, reading: bool) -> Actor:
    """Return the user who sends a username and password, or is signed in with a browser.

    For `reading`, their personal access token is accepted too. Raises Unauthenticated, Forbidden, TooManyRequests.
    """
    if "Authorization" not in request.headers and (browsing := browser.find_session(actions)):
        return _check_page(actions, browsing)
    scheme, value = _authorization()
    if scheme == "basic":
        username, password = _read_basic(value)
        _refuse_foreign_page()
        probe = request.headers.get(PROBE, "")
        context = _read_context(actions)
        user = actions.authenticate_user(username, password, context.peer, context.id, probe=probe)
        actions.second_factors.refuse_password_alone(user)
        return user
    if scheme != "bearer":
        raise Unauthenticated("send a username and a password")
    claims = _verify_bearer(actions)
    if claims.anonymous:
        raise Unauthenticated("an API key belongs to no user", INVALID)
    if not reading or not claims.personal:
        raise Forbidden("only the user's own password opens this")
    return _note_use(actions, claims, _actor(actions, claims, Scopes()))


def _check_page(actions: Actions, signed_in: SignedIn) -> Actor:
    if request.method not in SAFE and not browser.has_csrf_token():  # another site's form would send the cookie too
        raise Forbidden("send the token of your page as X-CSRF-Token")
    issuer = actions.settings.issuer
    if signed_in.lacks_factor:
        raise Forbidden(f"this account needs a second factor first: set one up at {issuer}/account/second-factor")
    if request.method == MAKING and signed_in.must_confirm:
        raise Forbidden(f"confirm with your second factor first at {issuer}/login/confirm")
    return signed_in.actor


def _refuse_foreign_page() -> None:
    """Raise Forbidden for another site's page: a browser sends a remembered password along (Fetch Metadata)."""
    if request.method not in SAFE and request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise Forbidden("a page of another site sent this")


def _actor(actions: Actions, claims: Claims, management: Scopes) -> Actor:
    context = _read_context(actions)
    return Actor(
        type="user" if claims.delegated else "client",
        id=claims.subject or "",
        name=claims.username or "",
        credential_id=claims.credential_id,
        management=management,
        delegated=claims.delegated,
        client_id=claims.client_id if claims.through_app else None,
        address=context.peer,
        request_id=context.id,
    )


def _note_use(actions: Actions, claims: Claims, actor: Actor) -> Actor:
    actions.usage.note(claims, origin_of(MANAGEMENT_API, _read_context(actions).address))
    return actor


def _verify(actions: Actions, token: str) -> Claims:
    claims = actions.verify(token)
    if claims is None:
        context = _read_context(actions)
        actions.reuse.look_up(anonymous(context.peer, context.id), token)
        raise Unauthenticated("the token is not active", INVALID)
    log_credential(claims.credential_id, claims.kind)
    g.claims = claims
    return claims


def _verify_bearer(actions: Actions) -> Claims:
    """Return the claims of the token that was sent, if the sender holds the key it is bound to (RFC 9449 §7)."""
    scheme, value = _authorization()
    if scheme not in ("bearer", "dpop"):
        raise Unauthenticated("send a Bearer token")
    if TOKEN68.fullmatch(value) is None:
        raise Unauthenticated("the token is malformed", INVALID)
    claims = _verify(actions, value)
    presented = PresentedToken.sent_here(value, _read_context(actions), actions.settings.issuer)
    check_possession(claims, presented, actions.check_proof)
    return claims


def _read_context(actions: Actions) -> Request:
    return read_request(request, actions.settings, actions.clock)


def _authorization() -> tuple[str, str]:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower(), value.strip(" ")


def _read_basic(value: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        _refuse_malformed()
    return (username, password) if colon else _refuse_malformed()


def _refuse_malformed() -> NoReturn:
    raise Unauthenticated("the Authorization header is malformed")
