"""Revoke many credentials from a list: a question that names each of them, then all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.directory.revoke_many import MOST_REVOKED
from app.actions.directory.rows import Found, ListQuery
from app.actions.insight.credentials import CredentialView
from app.compose import Actions
from app.errors import LatchkeyError
from app.web import form, lists, pages
from app.web.console.confirmation import is_confirmed
from app.web.console.list_page import ListPage
from app.web.visitors import actor

ALL = "all"  # the button for all that the list has
TOO_MANY = f"More than {MOST_REVOKED:,} match, the most that are revoked at once: narrow the filter."


def answer_revocation(
    actions: Actions, page: ListPage, find: Callable[[ListQuery], Found[Any]], kind: str | None = None
) -> Response:
    """Ask before the ticked credentials of a list, or all of it, are revoked; then revoke all of them or none."""
    query, ids = page.query(), _ticked_ids()
    if ALL in request.form and not is_confirmed():  # what was confirmed are the ids that the question named
        whole = find(page.read_all(MOST_REVOKED))
        if whole.cursor is not None:
            return pages.redirect_with(TOO_MANY, ".index", **query)
        ids = [one.id for one in whole.rows]
    found = [one for one in actions.credentials.some(ids) if kind in (None, one.kind)]
    chosen = [one for one in found if one.revocable]
    if not chosen:
        return pages.redirect_with("Nothing was chosen that can be revoked.", ".index", **query)
    if not is_confirmed():
        return _render_question(actions, chosen, query, left=len(found) - len(chosen))
    try:
        revoked = actions.revoke_many(actor(actions), [one.id for one in chosen])
    except LatchkeyError as error:
        return _render_question(actions, chosen, query, refusal=form.Refusal.of(error))
    return pages.redirect_with(f"Revoked: {revoked:,}. They are refused everywhere.", ".index", **query)


def _ticked_ids() -> list[str]:
    """Return the ids of a form: of ticked boxes, or many in one field, because the fields of a form are bounded."""
    sent = (one for field in form.checked_values("ids") for one in field.split())
    return list(dict.fromkeys(filter(lists.ROW_ID.fullmatch, sent)))[:MOST_REVOKED]  # PostgreSQL refuses NUL


def _render_question(
    actions: Actions,
    chosen: list[CredentialView],
    query: Mapping[str, Any],
    *,
    left: int = 0,
    refusal: form.Refusal | None = None,
) -> Response:
    used = [one.last_used_at for one in chosen if one.last_used_at is not None]
    return form.render(
        "console/credentials_revoke.html",
        refusal,
        chosen=chosen,
        words=actions.credentials.words,
        titles=actions.credentials.titles,
        owners=len({one.owner_id for one in chosen if one.owner_id}),
        used=len(used),
        latest=max(used, default=None),
        left=left,
        back=url_for(".index", **query),
        to=url_for(str(request.endpoint), **query),
    )
