"""/console/credentials: every credential of everybody: filtered, sorted, exported, and revoked many at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, get_args

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.directory.fields import LONGEST_IDENTIFIER
from app.actions.directory.revoke_many import MOST_REVOKED
from app.actions.insight.credentials import NEWEST, CredentialFilter, CredentialStatus, CredentialView, Sort
from app.compose import Actions
from app.errors import Invalid, LatchkeyError
from app.web import form, lists, pages
from app.web.console.confirmation import is_confirmed
from app.web.console.links import page_of
from app.web.csv_file import CSV_TYPE, MOST_EXPORTED, answer_file, exporting, write_csv
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_operator

STATUSES: tuple[CredentialStatus, ...] = get_args(CredentialStatus)
SORTS: tuple[Sort, ...] = get_args(Sort)
FIELDS = ("q", "kind", "status", "owner", "scope", "resource", "never_expires", "expires_before", "unused_since")
QUERY = (*FIELDS, "created_since", "sort")
COLUMNS = ("id", "kind", "name", "hint", "owner_type", "owner_id", "owner_name", "scopes", "resources", "status")
ALL_COLUMNS = (*COLUMNS, "created_at", "expires_at", "last_used_at", "revoked_at", "revoked_reason")
TEMPLATE = "console/credentials.html"

routes = PageRoutes("console_credentials", "/console/credentials", guard=require_operator)


@routes.get("")
def index(actions: Actions) -> Response:
    """List the credentials that match, newest first unless another order is chosen."""
    try:
        wanted, sort = _read_filter(), _read_sort()
        page = actions.credentials.page(wanted, lists.PAGE, lists.read_cursor(), sort)
        count = actions.credentials.count(wanted)
    except Invalid as error:
        return _render_list(actions, [], None, 0, form.Refusal.of(error))
    return _render_list(actions, *page, count)


@routes.get("/export.csv")
def export_csv(actions: Actions) -> Response:
    """Return what matches as CSV (RFC 4180), in which no cell is a formula."""
    with exporting():
        found, more = actions.credentials.page(_read_filter(), MOST_EXPORTED, None, _read_sort())
        note = f"cut after {MOST_EXPORTED} credentials: narrow the filter for the others" if more else None
        text = write_csv(ALL_COLUMNS, map(_cells, found), note)
    return answer_file(text, "credentials", actions.clock(), "csv", CSV_TYPE)


@routes.post("/revoke")
def revoke(actions: Actions) -> Response:
    """Ask before the ticked credentials are revoked, then revoke all of them or none."""
    ids, back = form.checked_values("ids")[:MOST_REVOKED], url_for(".index", **_query_of_list())
    found = actions.credentials.some(ids)
    chosen = [one for one in found if one.revocable]
    if not chosen:
        return pages.redirect_with("Nothing was chosen that can be revoked.", ".index", **_query_of_list())
    if not is_confirmed():
        return _render_question(actions, chosen, back, left=len(found) - len(chosen))
    try:
        revoked = actions.revoke_many(actor(actions), [one.id for one in chosen])
    except LatchkeyError as error:
        return _render_question(actions, chosen, back, refusal=form.Refusal.of(error))
    return pages.redirect_with(f"Revoked: {revoked}. They are refused everywhere.", ".index", **_query_of_list())


def _read_filter() -> CredentialFilter:
    """Read the filter in the query; raises Invalid."""
    texts: dict[str, Any] = {name: lists.read_word(name) for name in ("q", "kind", "owner", "scope")}
    times: dict[str, Any] = {
        name: lists.read_time(name) for name in ("expires_before", "unused_since", "created_since")
    }
    return CredentialFilter(
        **texts,
        **times,
        resource=lists.read_word("resource", LONGEST_IDENTIFIER),
        status=lists.read_filter("status", STATUSES),
        never_expires={"true": True, "false": False}.get(request.args.get("never_expires", "")),
    )


def _read_sort() -> Sort:
    return lists.read_filter("sort", SORTS) or NEWEST


def _query_of_list() -> dict[str, Any]:
    """Return the query of this list, without its page."""
    return {name: request.args[name][:LONGEST_IDENTIFIER] for name in QUERY if request.args.get(name)}


def _render_list(
    actions: Actions, found: list[CredentialView], after: str | None, count: int, refusal: form.Refusal | None = None
) -> Response:
    given = _query_of_list()
    return form.render(
        TEMPLATE,
        refusal,
        found=found,
        count=count,
        given=given,
        filtered=any(name in given for name in QUERY[:-1]),
        sort=_read_sort(),
        titles=actions.credentials.titles,
        words=actions.credentials.words,
        statuses=[(status, status) for status in STATUSES],
        page_of=page_of,
        most=MOST_EXPORTED,
        next_page=lists.next_page(after, **given),
    )


def _render_question(
    actions: Actions, chosen: list[CredentialView], back: str, *, left: int = 0, refusal: form.Refusal | None = None
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
        back=back,
        query=_query_of_list(),
    )


def _cells(one: CredentialView) -> Iterable[str]:
    return (_cell(getattr(one, name)) for name in ALL_COLUMNS)


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(value)
    return "" if value is None else value.isoformat() if isinstance(value, datetime) else str(value)
