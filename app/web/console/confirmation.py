"""Pages that ask for confirmation before something is deleted or revoked, and say what will stop working."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.insight.consequences import Consequence
from app.web import pages
from app.web.form import LONGEST_LINE, LONGEST_TEXT

CONFIRMED = "sure"  # the field of a form that comes from such a page
CSRF_FIELD = "csrf_token"


def ask(verb: str, name: str, warning: str, back: str, losses: Sequence[Consequence] = (), **query: Any) -> Response:
    """Ask whether to delete or revoke something; the button posts to the current path, with this query."""
    to = url_for(str(request.endpoint), **request.view_args or {}, **query)
    return _render(to, f"{verb} {name}?", warning, verb, back, losses=losses)


def ask_to_resend(question: str, warning: str, button: str, back: str) -> Response:
    """Ask for confirmation of a form; the button sends the same form again, confirmed."""
    sent = ((name, value) for name, value in request.form.items(multi=True) if name not in (CSRF_FIELD, CONFIRMED))
    fields = [(name, value) for name, value in sent if len(name) <= LONGEST_LINE and len(value) <= LONGEST_TEXT]
    to = url_for(str(request.endpoint), **request.view_args or {})
    return _render(to, question, warning, button, back, fields=[*fields, (CONFIRMED, "yes")])


def is_confirmed() -> bool:
    """Return whether the form comes from the page that asks."""
    return CONFIRMED in request.form


def _render(to: str, question: str, warning: str, button: str, back: str, **values: Any) -> Response:
    texts = {"to": to, "question": question, "warning": warning, "button": button, "back": back}
    return pages.render("console/confirm.html", 200, **texts, **values)
