"""/console/credentials: every credential of everybody: filtered, sorted, exported, and revoked many at once."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, cast, get_args

from werkzeug.wrappers import Response

from app.actions.directory.fields import LONGEST_IDENTIFIER
from app.actions.directory.revoke_many import MOST_REVOKED
from app.actions.directory.rows import Found, ListQuery
from app.actions.insight.credentials import CredentialFilter, CredentialStatus, CredentialView, Sort
from app.compose import Actions
from app.errors import Invalid, NotFound
from app.web import form, lists, pages
from app.web.console.links import page_of, page_of_credential
from app.web.console.list_page import ListPage, read_choice
from app.web.console.revoke_many import answer_revocation
from app.web.page_routes import PageRoutes
from app.web.usage_chart import read_chart
from app.web.visitors import require_operator

STATUSES: tuple[CredentialStatus, ...] = get_args(CredentialStatus)
SORTS: tuple[Sort, ...] = get_args(Sort)
ANSWERS = {"true": True, "false": False}
FIELDS = ("kind", "status", "owner", "scope", "resource", "never_expires", "expires_before", "unused_since")
COLUMNS = ("id", "kind", "name", "hint", "owner_type", "owner_id", "owner_name", "scopes", "resources", "status")
ALL_COLUMNS = (*COLUMNS, "created_at", "expires_at", "last_used_at", "revoked_at", "revoked_reason")
LIST = ListPage("credentials", SORTS, (*FIELDS, "created_since"), ALL_COLUMNS)

routes = PageRoutes("console_credentials", "/console/credentials", guard=require_operator)


@routes.get("")
def index(actions: Actions) -> Response:
    """List the credentials that match, newest first unless another order is chosen."""
    try:
        return _render_list(actions, _find(actions, LIST.read()))
    except Invalid as error:
        return _render_list(actions, Found((), None, 0), form.Refusal.of(error))


@routes.get("/export.csv")
def export_csv(actions: Actions) -> Response:
    """Return what the list shows as a file."""
    return LIST.export(partial(_find, actions), actions.clock())


@routes.get("/<row:credential_id>")
def show(actions: Actions, credential_id: str) -> Response:
    """Show a credential of any kind, and how it was used if its kind is counted by itself."""
    found = actions.credentials.some([credential_id])
    if not found:
        raise NotFound("there is no such credential")
    one = found[0]
    counted = any(kind.counted_as for kind in actions.kinds if kind.name == one.kind)
    owner = page_of(one.owner_type or "", one.owner_row_id)
    return pages.render(
        "console/credential.html",
        one=one,
        word=actions.credentials.words[one.kind],
        usage=read_chart(actions.read_usage, one.id) if counted else None,
        owner=owner,
        own_page=page_of(one.kind, one.id) or (owner if one.owner_row_id == one.id else None),
    )


@routes.post("/revoke")
def revoke(actions: Actions) -> Response:
    """Ask before the ticked credentials, or all that match, are revoked; then revoke all of them or none."""
    return answer_revocation(actions, LIST, partial(_find, actions))


def _find(actions: Actions, wanted: ListQuery) -> Found[CredentialView]:
    """Read what matches; raises Invalid."""
    matching, sort = replace(_read_filter(), q=wanted.q), cast(Sort, wanted.sort)
    found, cursor = actions.credentials.page(matching, wanted.limit, wanted.after, sort)
    is_all = cursor is None and wanted.after is None
    return Found(found, cursor, len(found) if is_all else actions.credentials.count(matching))


def _read_filter() -> CredentialFilter:
    """Read the filter in the query; raises Invalid."""
    texts: dict[str, Any] = {name: lists.read_word(name) for name in ("kind", "owner", "scope")}
    times: dict[str, Any] = {
        name: lists.read_time(name) for name in ("expires_before", "unused_since", "created_since")
    }
    return CredentialFilter(
        **texts,
        **times,
        resource=lists.read_word("resource", LONGEST_IDENTIFIER),
        status=read_choice("status", STATUSES),
        never_expires=ANSWERS.get(read_choice("never_expires", tuple(ANSWERS)) or ""),
    )


def _render_list(actions: Actions, found: Found[CredentialView], refusal: form.Refusal | None = None) -> Response:
    return LIST.render(
        found,
        refusal,
        titles=actions.credentials.titles,
        words=actions.credentials.words,
        statuses=[(status, status) for status in STATUSES],
        page_of=page_of,
        page_of_credential=page_of_credential,
        most_revoked=MOST_REVOKED,
    )
