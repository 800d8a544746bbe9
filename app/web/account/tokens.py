"""/account/tokens: a user's own personal access tokens, from creation to revocation."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

from flask import request
from werkzeug.wrappers import Response

from app.actions.audit.read import AuditFilter
from app.actions.directory.fields import Status
from app.actions.directory.lifetime import AskedLifetime
from app.actions.directory.personal_access_tokens import NewToken, TokenChanges, TokenView
from app.compose import Actions
from app.credentials.kind import Issued
from app.errors import Invalid, LatchkeyError
from app.web import form, lists, pages
from app.web.page_routes import PageRoutes
from app.web.visitors import actor

STATUSES: tuple[Status, ...] = get_args(Status)
PRESETS = (7, 30, 90, 365)  # days
EXPIRES_SOON = timedelta(days=7)
RECENT_EVENTS = 20  # of a token

routes = PageRoutes("tokens", "/account/tokens")


@routes.get("")
def index(actions: Actions) -> Response:
    """List one's tokens."""
    status = lists.read_filter("status", STATUSES)
    tokens, cursor = actions.personal_access_tokens.page(actor(actions).id, lists.PAGE, lists.read_cursor(), status)
    return pages.render(
        "account/tokens.html",
        tokens=tokens,
        chosen_status=status,
        statuses=STATUSES,
        next_page=lists.next_page(cursor, status=status),
        soon=actions.clock() + EXPIRES_SOON,
    )


@routes.get("/new")
def new(actions: Actions) -> Response:
    """Show the form for a new token."""
    return _render_new(actions)


@routes.post("")
def create(actions: Actions) -> Response:
    """Create a token, and show its secret this once."""
    try:
        name, scopes, lifetime = form.read_name("name"), form.checked_values("scopes"), _read_lifetime(actions)
        new_token = NewToken(name, scopes, lifetime, form.read_text("description"))
        token, issued = actions.personal_access_tokens.create(actor(actions), actor(actions).id, new_token)
    except LatchkeyError as error:
        return _render_new(actions, form.Refusal.of(error))
    return _render_secret(actions, token, issued, 201)


@routes.get("/<row:token_id>")
def show(actions: Actions, token_id: str) -> Response:
    """Show a token and its recent events."""
    return _render_token(actions, token_id)


@routes.post("/<row:token_id>")
def change(actions: Actions, token_id: str) -> Response:
    """Change the name and the description of a token."""
    me = actor(actions)
    try:
        changes = TokenChanges(form.read_name("name"), form.read_text("description"))
        actions.personal_access_tokens.change(me, me.id, token_id, changes)
    except LatchkeyError as error:
        return _render_token(actions, token_id, form.Refusal.of(error, duplicate="name"))
    return pages.redirect_with("The token is changed.", ".show", token_id=token_id)


@routes.get("/<row:token_id>/regenerate")
def ask_to_regenerate(actions: Actions, token_id: str) -> Response:
    """Ask before the secret is replaced."""
    return pages.render("account/token_regenerate.html", token=_own_token(actions, token_id))


@routes.post("/<row:token_id>/regenerate")
def regenerate(actions: Actions, token_id: str) -> Response:
    """Replace the secret of a token, and show the new one this once."""
    token, issued = actions.personal_access_tokens.regenerate(actor(actions), actor(actions).id, token_id)
    return _render_secret(actions, token, issued, 200)


@routes.get("/<row:token_id>/revoke")
def ask_to_revoke(actions: Actions, token_id: str) -> Response:
    """Ask before a token is revoked."""
    return pages.render("account/token_revoke.html", token=_own_token(actions, token_id))


@routes.post("/<row:token_id>/revoke")
def revoke(actions: Actions, token_id: str) -> Response:
    """Revoke a token."""
    actions.personal_access_tokens.revoke(actor(actions), actor(actions).id, token_id)
    return pages.redirect_with("The token is revoked: it is refused everywhere.", ".index")


def _own_token(actions: Actions, token_id: str) -> TokenView:
    return actions.personal_access_tokens.get(actor(actions).id, token_id)


def _read_lifetime(actions: Actions) -> AskedLifetime:
    """Read a preset, a day, never, or nothing for the default of the policy; raises Invalid."""
    choice = request.form.get("lifetime", "")
    if choice == "day":
        days = form.days_ahead(actions.clock(), actions.settings.pat_max_lifetime)
        expires_at = form.read_day("expires_on", days)
        if expires_at is None:
            raise Invalid.field("expires_on", str(days))
        return AskedLifetime(expires_at=expires_at)
    if choice == "never":
        return AskedLifetime(never=True)
    if choice in map(str, PRESETS):
        return AskedLifetime(expires_in=int(choice) * 86_400)
    if choice not in ("", "default"):
        raise Invalid.field("lifetime", "must be one of the choices below")
    return AskedLifetime()


def _render_new(actions: Actions, refusal: form.Refusal | None = None) -> Response:
    settings = actions.settings
    longest = settings.pat_max_lifetime
    return form.render(
        "account/token_new.html",
        refusal,
        reach=actions.reach.of_user(actor(actions).id),
        presets=[days for days in PRESETS if longest is None or days * 86_400 <= longest],
        days=form.days_ahead(actions.clock(), longest),
        default=settings.pat_default_lifetime // 86_400,
        longest=longest,
        picked=form.checked_values("scopes"),
    )


def _render_token(actions: Actions, token_id: str, refusal: form.Refusal | None = None) -> Response:
    token = _own_token(actions, token_id)
    events, _ = actions.audit.page(AuditFilter(target=token_id), RECENT_EVENTS, None)
    return form.render("account/token.html", refusal, token=token, events=events)


def _render_secret(actions: Actions, token: TokenView, issued: Issued, status: int) -> Response:
    """Render the only page that holds the secret; `no-store` keeps it out of caches and of the browser's history."""
    issuer = actions.settings.issuer
    return pages.render("account/token_secret.html", status, token=token, secret=issued.token, issuer=issuer)
