"""/console/holders: the users, clients, keys and tokens that have a scope now, and why."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from app.access.holders import Holder
from app.access.scopes import MAX_SCOPE_LENGTH, is_scope_name
from app.compose import Actions
from app.errors import Malformed, NotFound
from app.web import lists, pages
from app.web.console.links import page_of
from app.web.page_routes import PageRoutes
from app.web.visitors import require_operator

FIRST = 20  # of each kind, where all kinds are shown
MOST_OFFERED = 200  # scopes to choose from
MOST_COMPLETED = 50  # scopes that complete what was typed

routes = PageRoutes("console_holders", "/console/holders", guard=require_operator)


@routes.get("")
def index(actions: Actions) -> Response:
    """Ask for a scope, or show its holders."""
    name = request.args.get("scope", "").strip()[: MAX_SCOPE_LENGTH + 1]
    try:
        return _render_holders(actions, name) if is_scope_name(name) else _render_scopes(actions, name)
    except NotFound:
        return _render_scopes(actions, name)


@routes.get("/scopes")
def complete(actions: Actions) -> Response:
    """Return the scopes that have what was typed in their name, for the field of the page."""
    part = request.args.get("scope", "").strip()
    offered = actions.holders.scopes(part, MOST_COMPLETED) if not part or is_scope_name(part) else []
    return pages.render("console/holders_scopes.html", offered=offered)


def _render_scopes(actions: Actions, name: str) -> Response:
    """Render the first scopes there are, or those similar to a name that is not one of them."""
    errors = {"scope": f"there is no scope {name}"} if name else {}
    similar = actions.holders.scopes(name, MOST_OFFERED) if is_scope_name(name) else []
    offered = similar or actions.holders.scopes("", MOST_OFFERED)
    status, cut = 404 if name else 200, len(offered) == MOST_OFFERED
    return pages.render("console/holders.html", status, scope=None, name=name, offered=offered, errors=errors, cut=cut)


def _render_holders(actions: Actions, name: str) -> Response:
    scope = actions.holders.scope(name)
    return pages.render(
        "console/holders.html",
        scope=scope,
        name=name,
        offered=actions.holders.scopes("", MOST_OFFERED),
        errors={},
        kind=request.args.get("kind"),
        lists=[_list_holders(actions, name, kind) for kind in _read_kinds(actions)],
        titles=actions.holders.titles,
        page_of=page_of,
        api=page_of("resource", scope.resource_id),
    )


def _read_kinds(actions: Actions) -> tuple[str, ...]:
    kind = request.args.get("kind")
    if kind is None:
        return actions.holders.sections
    if kind not in actions.holders.sections:
        raise Malformed(f"that is not a valid kind of holder: use {', '.join(actions.holders.sections)}")
    return (kind,)


def _list_holders(actions: Actions, name: str, kind: str) -> tuple[str, list[Holder], str | None]:
    """Return a kind, its holders of the scope, and the address of the next page."""
    alone = request.args.get("kind") is not None
    cursor = lists.read_cursor() if alone else None
    if kind == "tokens" and cursor is not None and not _is_number(cursor):
        raise Malformed("that is not a page of this list: start again from the first page")
    found, last = actions.holders.page(name, kind, lists.PAGE if alone else FIRST, cursor)
    return kind, found, lists.next_page(last, scope=name, kind=kind)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9
