"""What follows the first step of a sign-in: the session begins."""

from __future__ import annotations

from collections.abc import Sequence

from flask import redirect
from werkzeug.wrappers import Response

from app.actions.audit.actor import Actor
from app.compose import Actions
from app.http.issuer_path import encoded_root
from app.web.languages import current_language
from app.web.visitors import begin_session, is_own_page


def finish_sign_in(
    actions: Actions,
    actor: Actor,
    methods: Sequence[str],
    next_path: str,
    provider: str | None = None,
    provider_session: str | None = None,
) -> Response:
    """Begin the session of a user who has authenticated, and redirect to the page that they wanted."""
    begin_session(actions, actor, methods, provider, provider_session)
    actions.notice_preferences.remember_language(actor.id, current_language())
    return redirect_after_sign_in(next_path)


def redirect_after_sign_in(path: str) -> Response:
    """Redirect to one of our pages: any other path is that of the tokens."""
    return redirect(encoded_root() + (path if is_own_page(path) else "/account/tokens"), 303)
