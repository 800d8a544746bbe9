"""What follows the first factor of a sign-in."""

from __future__ import annotations

from collections.abc import Sequence

from flask import redirect
from werkzeug.wrappers import Response

from app.actions.audit.actor import Actor
from app.compose import Actions
from app.http.issuer_path import encoded_root
from app.web.visitors import begin_session, is_own_page


def finish_sign_in(
    actions: Actions,
    actor: Actor,
    methods: Sequence[str],
    next_path: str,
    provider: str | None = None,
    provider_session: str | None = None,
) -> Response:
    """Begin the session of an authenticated user, and redirect to the page that was asked for."""
    begin_session(actions, actor)
    return redirect(encoded_root() + (next_path if is_own_page(next_path) else "/account/tokens"), 303)
