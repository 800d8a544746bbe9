"""Browser sessions: a signed cookie with the secret of a session and the CSRF token of its forms.

Only the pages and the user's own part of the API have a session: nothing else reads or sets the cookie.
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
from app.compose import Actions
from app.http.request import read_request
from app.http.request_bounds import FORM
from app.settings.settings import Settings

COOKIE = "latchkey"
PATHS = ("/login", "/logout", "/account", "/console", "/compare", "/device", "/oauth/authorize", "/api/v1/me")
SECRET = "secret"  # noqa: S105 - the name of a member
SAFE = ("GET", "HEAD")
TOKEN_HEADERS = ("X-CSRF-Token", "X-CSRFToken")
__all__ = [
    "CSRFError",
    "check_form",
    "cookie_name",
    "find_session",
    "has_csrf_token",
    "register",
    "sign_in",
    "sign_out",
]

forms = CSRFProtect()


class Sessions(SecureCookieSessionInterface):
    """Flask's own signed cookie, for the paths that have a session."""

    digest_method = staticmethod(hashlib.sha256)

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the cookie; return None for a path without a session."""
        return super().open_session(app, request) if request.path.startswith(PATHS) else None


def cookie_name(issuer: str) -> str:
    """Return a cookie name that no other issuer on the host has: with its port and a digest of its path.

    A browser sends the cookies of a host to each of its ports (RFC 6265 §8.5), and `__Host-` allows no narrower path.
    """
    parts = urlsplit(issuer)
    name = f"__Host-{COOKIE}" if parts.scheme == "https" else COOKIE
    port = f"-{parts.port}" if parts.port else ""
    return name + port + (f"-{hashlib.sha256(parts.path.encode()).hexdigest()[:8]}" if parts.path else "")


def register(app: Flask, settings: Settings) -> None:
    """Sign cookies with a key of their own, the same on every node (RFC 6265bis §4.1.3.2: `__Host-`)."""
    secure = settings.issuer.startswith("https://")  # a browser keeps no Secure cookie of plain http off loopback
    current = settings.secret_key.get_secret_value()
    app.secret_key = _cookie_key(current)
    previous = [_cookie_key(key) for key in settings.secret_keys()[::-1] if key != current]
    app.session_interface = Sessions()
    app.config.update(
        SESSION_COOKIE_NAME=cookie_name(settings.issuer),
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=MAX_AGE,
        SECRET_KEY_FALLBACKS=previous,
        WTF_CSRF_SECRET_KEY=[*previous, app.secret_key],  # itsdangerous signs with the last and accepts any
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,  # it expires with its session
        WTF_CSRF_SSL_STRICT=False,  # it requires the Referer, which our pages never send
        WTF_CSRF_HEADERS=list(TOKEN_HEADERS),
    )
    forms.init_app(app)


def find_session(actions: Actions) -> SignedIn | None:
    """Return the session of the browser that sent this request, looked up once; None when nobody is signed in."""
    if "browser_session" not in g:
        secret = session.get(SECRET)
        g.browser_session = _use_session(actions, secret) if isinstance(secret, str) else None
    found: SignedIn | None = g.browser_session
    return found


def _use_session(actions: Actions, secret: str) -> SignedIn | None:
    context = read_request(request, actions.settings, actions.clock)
    return actions.sessions.use(secret, context.peer, context.id)


def sign_in(begun: StartedSession) -> None:
    """Sign this browser in from its next request on; its cookie then holds the new secret only."""
    session.clear()
    session[SECRET] = begun.secret
    session.permanent = True


def sign_out() -> None:
    """Empty the cookie."""
    session.clear()


def check_form() -> None:
    """Refuse a form that is not from a page of ours; raises CSRFError and UnsupportedMediaType."""
    if request.method not in SAFE and request.mimetype not in ("", FORM):
        raise UnsupportedMediaType(f"send {FORM}")
    forms.protect()


def has_csrf_token() -> bool:
    """Return whether a script of our pages sends this request: it sends the CSRF token of its page."""
    sent = next((request.headers[name] for name in TOKEN_HEADERS if name in request.headers), None)
    try:
        validate_csrf(sent)
    except ValidationError:
        return False
    return True


def _cookie_key(secret_key: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"latchkey browser sessions").derive(secret_key.encode())
