"""/account/tokens: a user's own personal access tokens, from making one to ending it."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.audit.record import AuditFilter
from app.actions.directory.fields import Status
from app.actions.directory.lifetime import AskedLifetime
from app.actions.directory.personal_access_tokens import NewToken, TokenChanges, TokenView
from app.credentials.kind import Issued
from app.errors import Invalid, LatchkeyError
from app.http.current import actions
from app.web.form import PAGE, after, chosen, day, days_ahead, read_name, text
from app.web.room import Room, actor, done, said_by_field, show, status_of

STATUSES = ("active", "expired", "revoked")
PRESETS = (7, 30, 90, 365)  # days
WARNED = timedelta(days=7)  # before a token ends
TRACE = 20  # events of a token that are shown

blueprint = Room("tokens", "/account/tokens")


@blueprint.get("")
def index() -> Response:
    """List one's tokens."""
    status = request.args.get("status", "")
    wanted = cast(Status, status) if status in STATUSES else None
    found, last = actions().personal_access_tokens.page(actor().id, PAGE, after(), wanted)
    onward = url_for("tokens.index", after=last, status=wanted) if last else None
    soon = actions().clock() + WARNED
    return show("tokens.html", tokens=found, only=wanted, statuses=STATUSES, onward=onward, soon=soon)


@blueprint.get("/new")
def new() -> Response:
    """Ask what a new token shall be."""
    return _form()


@blueprint.post("")
def create() -> Response:
    """Make a token, and show its secret this once."""
    try:
        wanted = NewToken(read_name("name"), chosen("scopes"), _lifetime(), text("description"))
        token, issued = actions().personal_access_tokens.create(actor(), actor().id, wanted)
    except LatchkeyError as error:
        return _form(status_of(error), said_by_field(error))
    return _made(token, issued, 201)


@blueprint.get("/<row:token_id>")
def one(token_id: str) -> Response:
    """Show a token, and what it did lately."""
    return _one(token_id)


@blueprint.post("/<row:token_id>")
def change(token_id: str) -> Response:
    """Rename a token, or describe it anew."""
    try:
        changes = TokenChanges(read_name("name"), text("description"))
        actions().personal_access_tokens.change(actor(), actor().id, token_id, changes)
    except Invalid as error:
        return _one(token_id, status_of(error), said_by_field(error))
    except LatchkeyError as error:
        return _one(token_id, status_of(error), {"name": str(error)})
    return done("The token is changed.", "tokens.one", token_id=token_id)


@blueprint.get("/<row:token_id>/regenerate")
def ask_to_regenerate(token_id: str) -> Response:
    """Say what a new secret does to the old one."""
    return show("token_regenerate.html", token=_mine(token_id))


@blueprint.post("/<row:token_id>/regenerate")
def regenerate(token_id: str) -> Response:
    """Give a token a new secret, and show it this once; the old one is dead."""
    return _made(*actions().personal_access_tokens.regenerate(actor(), actor().id, token_id), 200)


@blueprint.get("/<row:token_id>/revoke")
def ask_to_revoke(token_id: str) -> Response:
    """Say what will stop working."""
    return show("token_revoke.html", token=_mine(token_id))


@blueprint.post("/<row:token_id>/revoke")
def revoke(token_id: str) -> Response:
    """End a token for good."""
    actions().personal_access_tokens.revoke(actor(), actor().id, token_id)
    return done("The token is revoked: it is refused everywhere from now on.", "tokens.index")


def _mine(token_id: str) -> TokenView:
    return actions().personal_access_tokens.get(actor().id, token_id)


def _one(token_id: str, status: int = 200, errors: dict[str, str] | None = None) -> Response:
    token = _mine(token_id)
    trace, _ = actions().audit.page(AuditFilter(target=token_id), TRACE, None)
    return show("token.html", status, token=token, trace=trace, errors=errors or {})


def _form(status: int = 200, errors: dict[str, str] | None = None) -> Response:
    settings = actions().settings
    longest = settings.pat_max_lifetime
    return show(
        "token_new.html",
        status,
        reach=actions().reach.of_user(actor().id),
        presets=[days for days in PRESETS if longest is None or days * 86_400 <= longest],
        days=days_ahead(longest),
        default=settings.pat_default_lifetime // 86_400,
        longest=longest,
        given=request.form,
        picked=chosen("scopes"),
        errors=errors or {},
    )


def _lifetime() -> AskedLifetime:
    """Read a preset, a day, never, or nothing: the policy's own default."""
    asked = request.form.get("lifetime", "")
    if asked == "day":
        longest = actions().settings.pat_max_lifetime
        ends = day("expires_on", longest)
        if ends is None:
            raise Invalid.field("expires_on", str(days_ahead(longest)))
        return AskedLifetime(expires_at=ends)
    if asked == "never":
        return AskedLifetime(never=True)
    if asked in map(str, PRESETS):
        return AskedLifetime(expires_in=int(asked) * 86_400)
    if asked not in ("", "default"):
        raise Invalid.field("lifetime", "is none of the choices")
    return AskedLifetime()


def _made(token: TokenView, issued: Issued, status: int) -> Response:
    """Show a secret: nobody keeps this answer, and going back in the browser asks for it in vain."""
    settings = actions().settings
    return show("token_made.html", status, token=token, secret=issued.token, issuer=settings.issuer)
