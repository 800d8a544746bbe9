"""/console/api-keys: anonymous use of one API, from issuing a key to ending it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.audit.record import AuditFilter
from app.actions.directory.api_keys import LONGEST_OVERLAP, KeyStatus, KeyView, NewKey
from app.actions.directory.resources import ResourceView
from app.credentials.kind import Issued
from app.errors import Invalid, LatchkeyError, NotFound
from app.http.current import actions
from app.web.console import key_form
from app.web.console.key_form import identifier
from app.web.form import PAGE, after, chosen, read_name, whole
from app.web.room import Room, actor, done, said_by_field, show, status_of

STATUSES = ("active", "disabled", "expired", "revoked")
UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
TRACE = 20  # events of a key that are shown

blueprint = Room("console_api_keys", "/console/api-keys", operators=True)


@blueprint.get("")
def index() -> Response:
    """List the keys."""
    status = request.args.get("status", "")
    wanted = cast(KeyStatus, status) if status in STATUSES else None
    resource = identifier(request.args.get("resource"))
    found, cursor = actions().api_keys.page(PAGE, after(), wanted, resource)
    kept: dict[str, Any] = {"status": wanted, "resource": resource}
    onward = url_for("console_api_keys.index", after=cursor, **kept) if cursor else None
    shown: dict[str, Any] = {
        "keys": found,
        "wanted": wanted,
        "statuses": STATUSES,
        "resource": resource,
        "onward": onward,
    }
    return show("console/api_keys.html", **shown)


@blueprint.get("/new")
def new() -> Response:
    """Ask for which API a key shall be, then what it shall be."""
    resource = identifier(request.args.get("resource"))
    return _form(resource) if resource else _choice(200)


@blueprint.post("")
def create() -> Response:
    """Issue a key, and show its secret this once."""
    resource = identifier(request.form.get("resource")) or ""
    try:
        key, issued = actions().api_keys.create(actor(), _wanted(resource))
    except LatchkeyError as error:
        return _form(resource, status_of(error), said_by_field(error))
    return _made(key, issued, 201)


@blueprint.get("/<row:key_id>")
def one(key_id: str) -> Response:
    """Show a key, and what was done to it lately."""
    return _one(key_id)


@blueprint.post("/<row:key_id>")
def change(key_id: str) -> Response:
    """Change a key."""
    try:
        actions().api_keys.change(actor(), key_id, key_form.changes())
    except NotFound:
        raise
    except LatchkeyError as error:
        return _one(key_id, status_of(error), said_by_field(error))
    return done("The key is changed.", "console_api_keys.one", key_id=key_id)


@blueprint.get("/<row:key_id>/rotate")
def ask_to_rotate(key_id: str) -> Response:
    """Ask how long the old secret shall work beside the new one."""
    return _rotation(key_id)


@blueprint.post("/<row:key_id>/rotate")
def rotate(key_id: str) -> Response:
    """Give a key a new secret, and show it this once."""
    try:
        seconds = _overlap()
        key, issued = actions().api_keys.rotate(actor(), key_id, seconds)
    except NotFound:
        raise
    except LatchkeyError as error:
        return _rotation(key_id, status_of(error), said_by_field(error))
    return _made(key, issued, 200, seconds)


@blueprint.get("/<row:key_id>/revoke")
def ask_to_revoke(key_id: str) -> Response:
    """Say what will stop working."""
    return show("console/api_key_revoke.html", key=actions().api_keys.get(key_id))


@blueprint.post("/<row:key_id>/revoke")
def revoke(key_id: str) -> Response:
    """End a key for good."""
    actions().api_keys.revoke(actor(), key_id)
    return done("The key is revoked: it is refused everywhere from now on.", "console_api_keys.index")


def _wanted(resource: str) -> NewKey:
    return NewKey(
        name=read_name("name"),
        resource=resource,
        scopes=key_form.scopes(),
        expires_at=key_form.expires_at(),
        rate_limit=key_form.rate_limit(),
        allowed_ips=key_form.networks(),
    )


def _choice(status: int, errors: dict[str, str] | None = None) -> Response:
    found, cursor = actions().resources.page(PAGE, after())
    onward = url_for("console_api_keys.new", after=cursor) if cursor else None
    apis = [api for api in found if not api.built_in]
    return show("console/api_key_choose.html", status, apis=apis, onward=onward, errors=errors or {})


def _form(resource: str, status: int = 200, errors: dict[str, str] | None = None) -> Response:
    api = _api(resource)
    if api is None or api.built_in:
        return _choice(422, {"": "There is no such API that takes API keys."})
    given = request.form
    return show("console/api_key_new.html", status, api=api, given=given, picked=chosen("scopes"), errors=errors or {})


def _one(key_id: str, status: int = 200, errors: dict[str, str] | None = None) -> Response:
    key = actions().api_keys.get(key_id)
    trace, _ = actions().audit.page(AuditFilter(target=key_id), TRACE, None)
    given, picked = key_form.present(key, again=errors is not None)
    return show(
        "console/api_key.html",
        status,
        key=key,
        api=_api(key.resource) if key.resource else None,
        given=given,
        picked=picked,
        trace=trace,
        errors=errors or {},
    )


def _rotation(key_id: str, status: int = 200, errors: dict[str, str] | None = None) -> Response:
    key = actions().api_keys.get(key_id)
    shown: dict[str, Any] = {"key": key, "units": UNITS, "given": request.form, "errors": errors or {}}
    return show("console/api_key_rotate.html", status, **shown)


def _api(resource: str) -> ResourceView | None:
    found, _ = actions().resources.page(1, identifier=resource)
    return found[0] if found else None


def _overlap() -> int:
    """Read how long both secrets shall work, in seconds; raises Invalid."""
    unit = UNITS.get(request.form.get("unit", "seconds"))
    if unit is None:
        raise Invalid.field("overlap_seconds", "is in none of the units")
    return (whole("overlap_seconds", 0, LONGEST_OVERLAP // unit) or 0) * unit


def _made(key: KeyView, issued: Issued, status: int, overlap_seconds: int | None = None) -> Response:
    """Show a secret: nobody keeps this answer, and going back in the browser asks for it in vain."""
    until = None if overlap_seconds is None else actions().clock() + timedelta(seconds=overlap_seconds)
    return show("console/api_key_made.html", status, key=key, secret=issued.token, until=until)
