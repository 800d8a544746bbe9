"""Hand a new secret from the form that made it to the page that shows it once, so that a reload sends no form again.

The secret travels encrypted in a cookie for that page alone: every node can show it, and no database row has it.
"""

from __future__ import annotations

from typing import Any

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from app.compose import Actions
from app.crypto.handover import LIFETIME, Handover
from app.web.visitors import visitor

COOKIE = "latchkey-new"
SECURE_PREFIX = "__Secure-"  # RFC 6265bis §4.1.3.1; `__Host-` would send it to every path


def redirect_to_page(
    actions: Actions, secret: str, endpoint: str, *, onward: str | None = None, **values: Any
) -> AnyResponse:
    """Redirect to the page that shows the secret; its cookie is readable there, in this session, for a minute.

    `onward` is the `next` of that page.
    """
    page = url_for(endpoint, **values)
    sealed = _handover(actions).close(secret, _context(actions, page), actions.clock())
    response = redirect(url_for(endpoint, **values, next=onward), 303)
    response.set_cookie(_cookie_name(actions), sealed, max_age=LIFETIME, **_attributes(actions, page))
    return response


def read_secret(actions: Actions) -> str | None:
    """Return the secret that this page shows; None once it was shown, or after a minute."""
    sealed, page = request.cookies.get(_cookie_name(actions), ""), _own_path()
    return _handover(actions).open(sealed, _context(actions, page), actions.clock()) if sealed else None


def delete_secret(actions: Actions, response: Response) -> Response:
    """Delete the cookie with the response that shows its secret."""
    if _cookie_name(actions) in request.cookies:
        response.delete_cookie(_cookie_name(actions), **_attributes(actions, _own_path()))
    return response


def _own_path() -> str:
    return url_for(str(request.endpoint), **(request.view_args or {}))


def _context(actions: Actions, page: str) -> str:
    return f"{visitor(actions).session_id} {page}"


def _handover(actions: Actions) -> Handover:
    return Handover(actions.settings.secret_keys)


def _cookie_name(actions: Actions) -> str:
    return SECURE_PREFIX * _is_secure(actions) + COOKIE


def _attributes(actions: Actions, page: str) -> dict[str, Any]:
    return {"path": page, "secure": _is_secure(actions), "httponly": True, "samesite": "Strict"}


def _is_secure(actions: Actions) -> bool:
    return actions.settings.issuer.startswith("https://")
