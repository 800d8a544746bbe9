"""/console/api-keys: API keys, from issuance to revocation."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import get_args

from flask import request
from werkzeug.wrappers import Response

from app.actions.audit.read import AuditFilter
from app.actions.directory.api_keys import LONGEST_OVERLAP, ApiKeyActions, KeyStatus, KeyView
from app.actions.directory.resources import ResourceView
from app.actions.directory.revoke_many import MOST_REVOKED
from app.actions.directory.rows import Found, ListQuery
from app.compose import Actions
from app.credentials.api_key import ApiKeys
from app.credentials.kind import Issued
from app.errors import Invalid, LatchkeyError
from app.web import form, lists, pages
from app.web.console.api_key_form import check_identifier, field_values, read_changes, read_new_key
from app.web.console.event_text import EventText
from app.web.console.list_page import ListPage, read_choice
from app.web.console.revoke_many import answer_revocation
from app.web.page_routes import PageRoutes
from app.web.usage_chart import read_chart
from app.web.visitors import actor, require_operator

STATUSES: tuple[KeyStatus, ...] = get_args(KeyStatus)
COLUMNS = ("id", "name", "hint", "resource", "scopes", "status", "allowed_ips", "created_at", "expires_at")
ALL_COLUMNS = (*COLUMNS, "last_used_at", "revoked_at", "revoked_reason")
LIST = ListPage("api-keys", ApiKeyActions.sorts, ("status", "resource"), ALL_COLUMNS)
RECENT_EVENTS = 20  # of a key

routes = PageRoutes("console_api_keys", "/console/api-keys", guard=require_operator)


@routes.get("")
def index(actions: Actions) -> Response:
    """List the keys, newest first unless another order is chosen."""
    return LIST.render(_find(actions, LIST.read()), statuses=STATUSES, most_revoked=MOST_REVOKED)


@routes.get("/export.csv")
def export_csv(actions: Actions) -> Response:
    """Return what the list shows as a file."""
    return LIST.export(partial(_find, actions), actions.clock())


@routes.post("/revoke")
def revoke_chosen(actions: Actions) -> Response:
    """Ask before the ticked keys, or all that the list has, are revoked; then revoke all of them or none."""
    return answer_revocation(actions, LIST, partial(_find, actions), ApiKeys.name)


@routes.get("/new")
def new(actions: Actions) -> Response:
    """Ask for the API of a new key, then show its form."""
    resource = check_identifier(request.args.get("resource"))
    return _render_new(actions, resource) if resource else _render_resources(actions)


@routes.post("")
def create(actions: Actions) -> Response:
    """Issue a key, and show its secret this once."""
    resource = check_identifier(request.form.get("resource")) or ""
    try:
        key, issued = actions.api_keys.create(actor(actions), read_new_key(resource, actions.clock()))
    except LatchkeyError as error:
        return _render_new(actions, resource, form.Refusal.of(error))
    return _render_secret(actions, key, issued, 201)


@routes.get("/<row:key_id>")
def show(actions: Actions, key_id: str) -> Response:
    """Show a key and its recent events."""
    return _render_key(actions, key_id)


@routes.post("/<row:key_id>")
def change(actions: Actions, key_id: str) -> Response:
    """Change a key."""
    try:
        actions.api_keys.change(actor(actions), key_id, read_changes(actions.clock()))
    except LatchkeyError as error:
        return _render_key(actions, key_id, form.Refusal.of(error))
    return pages.redirect_with("The key is changed.", ".show", key_id=key_id)


@routes.get("/<row:key_id>/rotate")
def ask_to_rotate(actions: Actions, key_id: str) -> Response:
    """Ask how long the old secret remains valid."""
    return _render_rotation(actions, key_id)


@routes.post("/<row:key_id>/rotate")
def rotate(actions: Actions, key_id: str) -> Response:
    """Replace the secret of a key, and show the new one this once."""
    try:
        seconds = _read_overlap()
        key, issued = actions.api_keys.rotate(actor(actions), key_id, seconds)
    except LatchkeyError as error:
        return _render_rotation(actions, key_id, form.Refusal.of(error))
    return _render_secret(actions, key, issued, 200, seconds)


@routes.get("/<row:key_id>/revoke")
def ask_to_revoke(actions: Actions, key_id: str) -> Response:
    """Ask before a key is revoked."""
    return pages.render("console/api_key_revoke.html", key=actions.api_keys.get(key_id))


@routes.post("/<row:key_id>/revoke")
def revoke(actions: Actions, key_id: str) -> Response:
    """Revoke a key."""
    actions.api_keys.revoke(actor(actions), key_id)
    return pages.redirect_with("The key is revoked: it is refused everywhere.", ".index")


def _find(actions: Actions, wanted: ListQuery) -> Found[KeyView]:
    status, resource = read_choice("status", STATUSES), check_identifier(request.args.get("resource"))
    return actions.api_keys.search(wanted, status=status, resource=resource)


def _render_resources(actions: Actions, refusal: form.Refusal | None = None) -> Response:
    q = lists.read_search()
    found = actions.resources.search(ListQuery(lists.PAGE, lists.read_cursor(), "name", q))
    apis = [api for api in found.rows if not api.built_in]
    further = lists.next_page(found.cursor, ".new", q=q)
    return form.render("console/api_key_choose.html", refusal, apis=apis, q=q, next_page=further)


def _render_new(actions: Actions, resource: str, refusal: form.Refusal | None = None) -> Response:
    api = _find_resource(actions, resource)
    if api is None or api.built_in:
        return _render_resources(
            actions, form.Refusal.of(Invalid.field("", "there is no such API that takes API keys"))
        )
    days, picked = form.days_ahead(actions.clock()), form.checked_values("scopes")
    return form.render("console/api_key_new.html", refusal, api=api, days=days, picked=picked)


def _render_key(actions: Actions, key_id: str, refusal: form.Refusal | None = None) -> Response:
    key = actions.api_keys.get(key_id)
    events, _ = actions.audit.page(AuditFilter(target=key_id), RECENT_EVENTS, None)
    names = actions.event_names.of(events)
    given, picked = field_values(key, again=refusal is not None)
    return form.render(
        "console/api_key.html",
        refusal,
        key=key,
        api=_find_resource(actions, key.resource) if key.resource else None,
        days=form.days_ahead(actions.clock()),
        given=given,
        picked=picked,
        usage=read_chart(actions.read_usage, key_id),
        events=[EventText(event, names) for event in events],
    )


def _render_rotation(actions: Actions, key_id: str, refusal: form.Refusal | None = None) -> Response:
    return form.render("console/api_key_rotate.html", refusal, key=actions.api_keys.get(key_id))


def _render_secret(
    actions: Actions, key: KeyView, issued: Issued, status: int, overlap_seconds: int | None = None
) -> Response:
    """Render the only page that holds the secret; `no-store` keeps it out of caches and of the browser's history."""
    until = None if overlap_seconds is None else actions.clock() + timedelta(seconds=overlap_seconds)
    return pages.render("console/api_key_secret.html", status, key=key, secret=issued.token, until=until)


def _find_resource(actions: Actions, identifier: str) -> ResourceView | None:
    found, _ = actions.resources.page(1, identifier=identifier)
    return found[0] if found else None


def _read_overlap() -> int:
    """Return how many seconds both secrets are valid; raises Invalid."""
    return form.read_duration("overlap_seconds", 0, LONGEST_OVERLAP, "unit") or 0
