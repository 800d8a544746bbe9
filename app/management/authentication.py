"""Authenticate the caller of what needs no scope: on /me by a password or a browser's sign-in, elsewhere optionally."""

from __future__ import annotations

import base64
import binascii
from typing import NoReturn

from flask import request

from app.access.scopes import Scopes
from app.actions.audit.actor import Actor, anonymous
from app.actions.sign_in.sessions import SignedIn
from app.compose import Actions
from app.crypto.probe_mac import HEADER as PROBE
from app.errors import Forbidden, Unauthenticated
from app.http import browser
from app.http.bearer import INVALID, actor_of, note_use, read_authorization, read_context, verify_bearer

SAFE = ("GET", "HEAD")
MAKING = "POST"  # the method of each operation of /me that makes a credential


def authenticate_optionally(actions: Actions) -> Actor:
    """Return the anonymous caller, or the one whose credential was sent, with its scopes on this API, an app with none.

    Raises Unauthenticated for a credential that is not active.
    """
    if "Authorization" not in request.headers:
        context = read_context(actions)
        return anonymous(context.peer, context.id)
    claims = verify_bearer(actions)
    management = claims.grants.on([actions.settings.management_identifier]).scopes
    return note_use(actions, claims, actor_of(actions, claims, Scopes() if claims.through_app else management))


def authenticate_owner(actions: Actions, *, reading: bool) -> Actor:
    """Return the user who sends a username and password, or is signed in with a browser.

    For `reading`, their personal access token is accepted too. Raises Unauthenticated, Forbidden, TooManyRequests.
    """
    if "Authorization" not in request.headers and (browsing := browser.find_session(actions)):
        return _check_page(actions, browsing)
    scheme, value = read_authorization()
    if scheme == "basic":
        username, password = _read_basic(value)
        _refuse_foreign_page()
        probe = request.headers.get(PROBE, "")
        context = read_context(actions)
        user = actions.authenticate_user(username, password, context.peer, context.id, probe=probe)
        actions.second_factors.refuse_password_alone(user)
        actions.authenticate_user.note_place(user)
        return user
    if scheme != "bearer":
        raise Unauthenticated("send a username and a password")
    claims = verify_bearer(actions)
    if claims.anonymous:
        raise Unauthenticated("an API key belongs to no user", INVALID)
    if not reading or not claims.personal:
        raise Forbidden("only the user's own password opens this")
    return note_use(actions, claims, actor_of(actions, claims, Scopes()))


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


def _read_basic(value: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        _refuse_malformed()
    return (username, password) if colon else _refuse_malformed()


def _refuse_malformed() -> NoReturn:
    raise Unauthenticated("the Authorization header is malformed")
