"""Who is signed in with a browser: a signed cookie holds the secret of a session, and the token that forms carry.

Only pages, and the user's own part of the API, have a session: nothing else reads the cookie or sets one.
"""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask, Request, g, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_wtf.csrf import CSRFError, CSRFProtect, validate_csrf
from werkzeug.exceptions import UnsupportedMediaType
from wtforms import ValidationError

from app.actions.sign_in.sessions import MAX_AGE, SignedIn, StartedSession
from app.http.current import actions, actions_of
from app.http.envelope import request_id
from app.http.peer import caller_address
from app.http.request_bounds import FORM

COOKIE = "latchkey"
ROOMS = ("/login", "/logout", "/account", "/console", "/api/v1/me")
SECRET = "secret"  # noqa: S105 - the name of a member
SAFE = ("GET", "HEAD")
TOKEN_HEADERS = ("X-CSRF-Token", "X-CSRFToken")
__all__ = ["CSRFError", "cookie_name", "protect", "register", "shows_token", "sign_in", "sign_out", "signed_in"]

forms = CSRFProtect()


class Sessions(SecureCookieSessionInterface):
    """Flask's own signed cookie, for the rooms that have a session."""

    digest_method = staticmethod(hashlib.sha256)

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the cookie, or give none."""
        return super().open_session(app, request) if request.path.startswith(ROOMS) else None


def cookie_name(issuer: str) -> str:
    """Return a cookie name of this issuer's own, with its port and a digest of its path.

    A browser sends the cookies of a host to each of its ports (RFC 6265 §8.5), and `__Host-` allows no narrower path.
    """
    parts = urlsplit(issuer)
    name = f"__Host-{COOKIE}" if parts.scheme == "https" else COOKIE
    port = f"-{parts.port}" if parts.port else ""
    return name + port + (f"-{hashlib.sha256(parts.path.encode()).hexdigest()[:8]}" if parts.path else "")


def register(app: Flask) -> None:
    """Sign cookies with a key of their own, the same on every node (RFC 6265bis §4.1.3.2: `__Host-`)."""
    settings = actions_of(app).settings
    secure = settings.issuer.startswith("https://")  # a browser keeps no Secure cookie of plain http off loopback
    present = settings.secret_key.get_secret_value()
    app.secret_key = _cookie_key(present)
    before = [_cookie_key(key) for key in settings.secret_keys()[::-1] if key != present]
    app.session_interface = Sessions()
    app.config.update(
        SESSION_COOKIE_NAME=cookie_name(settings.issuer),
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=MAX_AGE,
        SECRET_KEY_FALLBACKS=before,
        WTF_CSRF_SECRET_KEY=[*before, app.secret_key],  # itsdangerous signs with the last and takes any
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,  # it ends with its session
        WTF_CSRF_SSL_STRICT=False,  # it would want the Referer, which our pages never send
        WTF_CSRF_HEADERS=list(TOKEN_HEADERS),
    )
    forms.init_app(app)


def signed_in() -> SignedIn | None:
    """Tell who is signed in with the browser that sent this request; None when nobody is."""
    if "signed_in" not in g:
        secret, use = session.get(SECRET), actions().sessions.use
        g.signed_in = use(secret, caller_address(), request_id()) if isinstance(secret, str) else None
    found: SignedIn | None = g.signed_in
    return found


def sign_in(begun: StartedSession) -> None:
    """Let this browser be signed in from its next request on; nothing of before stays in its cookie."""
    session.clear()
    session[SECRET] = begun.secret
    session.permanent = True


def sign_out() -> None:
    """Forget everything."""
    session.clear()


def protect() -> None:
    """Refuse a form that none of our pages gave to this browser; raises CSRFError, UnsupportedMediaType."""
    if request.method not in SAFE and request.mimetype not in ("", FORM):
        raise UnsupportedMediaType(f"send {FORM}")
    forms.protect()


def shows_token() -> bool:
    """Tell whether a program on our pages sends this: it shows the token that its page holds."""
    sent = next((request.headers[name] for name in TOKEN_HEADERS if name in request.headers), None)
    try:
        validate_csrf(sent)
    except ValidationError:
        return False
    return True


def _cookie_key(secret_key: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"latchkey browser sessions").derive(secret_key.encode())
