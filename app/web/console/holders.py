"""/console/holders: who can do this? Everything that carries a scope now, and why."""

from __future__ import annotations

from flask import request, url_for
from werkzeug.wrappers import Response

from app.access.holders import Holder
from app.access.scopes import MAX_SCOPE_LENGTH, is_scope_name
from app.errors import Malformed, NotFound
from app.http.current import actions
from app.web.console.onward import place_of
from app.web.form import PAGE, after
from app.web.room import Room, show

FIRST = 20  # of each kind, where all kinds are shown
OFFERED = 200  # scopes to choose from

blueprint = Room("console_holders", "/console/holders", operators=True)


@blueprint.get("")
def index() -> Response:
    """Ask for a scope, and show what carries it."""
    name = request.args.get("scope", "").strip()[: MAX_SCOPE_LENGTH + 1]
    try:
        return _shown(name) if is_scope_name(name) else _choice(name)
    except NotFound:
        return _choice(name)


def _choice(name: str) -> Response:
    """Offer the scopes there are; those like the one that there is not."""
    errors = {"scope": f"there is no scope {name}"} if name else {}
    looked_for = name if is_scope_name(name) else ""
    found = actions().holders.scopes(looked_for, OFFERED) or actions().holders.scopes("", OFFERED)
    return show("console/holders.html", 404 if name else 200, scope=None, asked=name, offered=found, errors=errors)


def _shown(name: str) -> Response:
    scope = actions().holders.scope(name)
    return show(
        "console/holders.html",
        scope=scope,
        asked=name,
        offered=actions().holders.scopes("", OFFERED),
        errors={},
        kind=request.args.get("kind"),
        parts_of=[_part(name, kind) for kind in _kinds()],
        titles=actions().holders.titles,
        place_of=place_of,
        api=place_of("resource", scope.resource_id),
    )


def _kinds() -> tuple[str, ...]:
    kind = request.args.get("kind")
    if kind is None:
        return actions().holders.sections
    if kind not in actions().holders.sections:
        raise Malformed("there is no such kind of holder")
    return (kind,)


def _part(name: str, kind: str) -> tuple[str, list[Holder], str | None]:
    """Give a kind, what of it carries the scope, and where it goes on."""
    alone = request.args.get("kind") is not None
    begins = after() if alone else None
    if kind == "tokens" and begins is not None and not _is_number(begins):
        raise Malformed("that is no page of this list: begin anew")
    found, cursor = actions().holders.page(name, kind, PAGE if alone else FIRST, begins)
    onward = url_for("console_holders.index", scope=name, kind=kind, after=cursor) if cursor else None
    return kind, found, onward


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9
