"""Dangerous things ask once: a page that says what will stop working, and goes on with one button."""

from __future__ import annotations

from collections.abc import Sequence

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.insight.consequences import Consequence
from app.web.form import LONGEST_LINE, LONGEST_TEXT
from app.web.page_routes import show

SURE = "sure"  # the field that says one was asked
CSRF_FIELD = "csrf_token"


def ask(question: str, said: str, word: str, to: str, back: str, losses: Sequence[Consequence] = ()) -> Response:
    """Ask before something ends; `word` is on the button that posts to the path `to`."""
    return show(
        "console/confirm.html", question=question, said=said, word=word, to=to, back=back, losses=losses, kept=()
    )


def ask_again(question: str, said: str, word: str, back: str) -> Response:
    """Ask before a form that was sent is obeyed: the same form goes again, and says that one was asked."""
    sent = ((name, value) for name, value in request.form.items(multi=True) if name not in (CSRF_FIELD, SURE))
    kept = [(name, value) for name, value in sent if len(name) <= LONGEST_LINE and len(value) <= LONGEST_TEXT]
    return show(
        "console/confirm.html",
        question=question,
        said=said,
        word=word,
        to=url_for(str(request.endpoint), **request.view_args or {}),
        back=back,
        losses=(),
        kept=[*kept, (SURE, "yes")],
    )


def sure() -> bool:
    """Tell whether the form comes from the page that asked."""
    return SURE in request.form
