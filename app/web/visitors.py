"""The user who is signed in with the browser: required by the pages, and recorded as the actor of each change."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from app.actions.audit.actor import Actor
from app.actions.sign_in.sessions import SignedIn
from app.compose import Actions
from app.database.redaction import redact
from app.errors import Forbidden
from app.http import browser

OURS = re.compile(r"/(account|console|compare|login)([/?][A-Za-z0-9_./?=&%+~:@,-]*+)?")  # nothing of another site
UPWARDS = re.compile(r"/(?:\.|%2e){1,2}(?:[/?]|$)", re.IGNORECASE)  # a browser resolves these out of our pages
LONGEST_RETURN_PATH = 2_000  # characters of a path with its query
AUTHORIZE = "/oauth/authorize"
CONTINUED = re.compile(r"(?:/oauth/authorize|/device)(?:\?[\x21\x24-\x3B\x3D\x3F-\x7E]*+)?")  # no " # < > in the query
LONGEST_CONTINUED = 5_000  # characters; encoded once more in a query, it is still shorter than the longest header
OUR_SECRET = re.compile(r"lk_[a-z]{3,4}_[0-9A-Za-z]{16}")


def require_user(actions: Actions) -> Response | None:
    """Redirect to the sign-in form unless a user is signed in, and refuse a form of another site."""
    if browser.find_session(actions) is None:
        return redirect(url_for("sign_in.show_form", next=_return_path()), 303)
    browser.check_form()
    return None


def require_operator(actions: Actions) -> Response | None:
    """Do the same as `require_user`, and refuse users without the scope `manage`."""
    found = browser.find_session(actions)
    if found is not None and not found.actor.manages:
        raise Forbidden("this is for operators, whose roles give the scope manage", "manage")
    return require_user(actions)


def visitor(actions: Actions) -> SignedIn:
    """Return the signed-in user, on a page that requires one."""
    found = browser.find_session(actions)
    if found is None:
        raise Forbidden("sign in first")
    return found


def actor(actions: Actions) -> Actor:
    """Return the signed-in user as the actor of a change."""
    return visitor(actions).actor


def begin_session(
    actions: Actions,
    actor: Actor,
    methods: Sequence[str] = ("pwd",),
    provider: str | None = None,
    provider_session: str | None = None,
) -> None:
    """Begin a session for a user who has just authenticated, and end the one that the browser had."""
    previous = browser.find_session(actions)
    agent = request.headers.get("User-Agent", "")
    instead_of = previous.session_id if previous else None
    begun = actions.sessions.begin(
        actor, agent, instead_of, methods=methods, provider=provider, provider_session=provider_session
    )
    browser.sign_in(begun)


def is_safe_return_path(path: str) -> bool:
    """Return whether a path may be repeated in a link: it is not too long and holds no secret."""
    return len(path) <= LONGEST_RETURN_PATH and redact(path) == path


def is_own_page(path: str) -> bool:
    """Return whether a path that a form sends is one of our pages, to which the browser may be redirected."""
    if continues_a_request(path):
        return True
    return is_safe_return_path(path) and OURS.fullmatch(path) is not None and UPWARDS.search(path) is None


def continues_a_request(path: str) -> bool:
    """Return whether a path is the request of an app or a device, which goes on once the user has signed in.

    Its query is the app's: a `state` may be a JWT of its own. Only a secret of this server is never repeated.
    """
    return len(path) <= LONGEST_CONTINUED and CONTINUED.fullmatch(path) is not None and not OUR_SECRET.search(path)


def _return_path() -> str | None:
    """Return the path to open after signing in; None for a form and for a path that may not be repeated."""
    path = request.full_path.rstrip("?")
    return path if request.method == "GET" and (is_safe_return_path(path) or continues_a_request(path)) else None
