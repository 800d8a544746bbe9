"""/account/tokens: a user's own personal access tokens, from creation to revocation."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

from flask import request
from flask_babel import gettext
from werkzeug.wrappers import Response

from app.actions.audit.read import AuditFilter
from app.actions.directory.fields import Status
from app.actions.directory.lifetime import LONGEST_EXPIRES_IN, AskedLifetime
from app.actions.directory.personal_access_tokens import NewToken, TokenChanges, TokenView
from app.compose import Actions
from app.errors import Invalid, LatchkeyError
from app.web import form, lists, new_secret, pages
from app.web.account.prefill import PRESETS, Prefill, copy_token, offer_lifetimes, read_link
from app.web.account.snippets import VARIABLE, address_of, write_snippets
from app.web.page_routes import PageRoutes
from app.web.usage_chart import read_chart
from app.web.visitors import actor

STATUSES: tuple[Status, ...] = get_args(Status)
EXPIRES_SOON = timedelta(days=7)
RECENT_EVENTS = 20  # of a token

routes = PageRoutes("tokens", "/account/tokens")


@routes.get("")
def index(actions: Actions) -> Response:
    """List one's tokens, the newest first."""
    status, search = lists.read_filter("status", STATUSES), lists.read_search()
    tokens, cursor = actions.personal_access_tokens.page(
        actor(actions).id, lists.PAGE, lists.read_cursor(), status, search=search, newest_first=True
    )
    return pages.render(
        "account/tokens.html",
        tokens=tokens,
        chosen_status=status,
        search=search,
        statuses=STATUSES,
        next_page=lists.next_page(cursor, status=status, q=search),
        soon=actions.clock() + EXPIRES_SOON,
    )


@routes.get("/new", confirmed=True)
def new(actions: Actions) -> Response:
    """Show the form for a new token, filled in by the query of a link or like a token of one's own."""
    reach, longest = actions.reach.of_user(actor(actions).id), actions.settings.pat_max_lifetime
    like = request.args.get("like", "")
    if lists.ROW_ID.fullmatch(like):
        return _render_new(actions, copy_token(_own_token(actions, like), reach, longest))
    return _render_new(actions, read_link(request.args, reach, longest))


@routes.post("", confirmed=True)
def create(actions: Actions) -> Response:
    """Create a token."""
    try:
        name, scopes, lifetime = form.read_name("name"), form.checked_values("scopes"), _read_lifetime(actions)
        new_token = NewToken(name, scopes, lifetime, form.read_text("description"))
        token, issued = actions.personal_access_tokens.create(actor(actions), actor(actions).id, new_token)
    except LatchkeyError as error:
        sent = Prefill(scopes=form.checked_values("scopes"), expires_in=_read_asked())
        return _render_new(actions, sent, form.Refusal.of(error, duplicate="name"))
    return new_secret.redirect_to_page(actions, issued.token, ".show_secret", token_id=token.id)


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
    return pages.redirect_with(gettext("The token is changed."), ".show", token_id=token_id)


@routes.get("/<row:token_id>/regenerate", confirmed=True)
def ask_to_regenerate(actions: Actions, token_id: str) -> Response:
    """Ask before the secret is replaced."""
    return pages.render("account/token_regenerate.html", token=_own_token(actions, token_id))


@routes.post("/<row:token_id>/regenerate", confirmed=True)
def regenerate(actions: Actions, token_id: str) -> Response:
    """Replace the secret of a token."""
    _, issued = actions.personal_access_tokens.regenerate(actor(actions), actor(actions).id, token_id)
    return new_secret.redirect_to_page(actions, issued.token, ".show_secret", token_id=token_id)


@routes.get("/<row:token_id>/secret")
def show_secret(actions: Actions, token_id: str) -> Response:
    """Show a new secret this once, with examples of its use; `no-store` keeps it out of caches and of the history."""
    token, secret = _own_token(actions, token_id), new_secret.read_secret(actions)
    apis = [
        api for api in actions.reach.of_user(token.user_id) if {scope.name for scope in api.scopes} & {*token.scopes}
    ]
    address = address_of(apis[0] if apis else None, actions.settings.issuer)
    page = pages.render(
        "account/token_secret.html",
        token=token,
        secret=secret,
        apis=apis,
        address=address,
        snippets=write_snippets(address),
        variable=VARIABLE,
    )
    return new_secret.delete_secret(actions, page)


@routes.get("/<row:token_id>/revoke")
def ask_to_revoke(actions: Actions, token_id: str) -> Response:
    """Ask before a token is revoked."""
    return pages.render("account/token_revoke.html", token=_own_token(actions, token_id))


@routes.post("/<row:token_id>/revoke")
def revoke(actions: Actions, token_id: str) -> Response:
    """Revoke a token."""
    actions.personal_access_tokens.revoke(actor(actions), actor(actions).id, token_id)
    return pages.redirect_with(gettext("The token is revoked: it is refused everywhere."), ".index")


@routes.get("/<row:token_id>/delete")
def ask_to_delete(actions: Actions, token_id: str) -> Response:
    """Ask before an expired token is deleted."""
    return pages.render("account/token_delete.html", token=_own_token(actions, token_id))


@routes.post("/<row:token_id>/delete")
def delete(actions: Actions, token_id: str) -> Response:
    """Delete an expired token from the list."""
    actions.personal_access_tokens.delete(actor(actions), actor(actions).id, token_id)
    return pages.redirect_with(gettext("The expired token is deleted from your list."), ".index")


def _own_token(actions: Actions, token_id: str) -> TokenView:
    return actions.personal_access_tokens.get(actor(actions).id, token_id)


def _read_lifetime(actions: Actions) -> AskedLifetime:
    """Read a preset, a link's, a day, never, or nothing for the default of the policy; raises Invalid."""
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
    if choice == "asked" and (asked := _read_asked()) is not None:
        return AskedLifetime(expires_in=asked)
    if choice not in ("", "default"):
        raise Invalid.field("lifetime", "must be one of the choices below")
    return AskedLifetime()


def _read_asked() -> int | None:
    """Return the seconds that a link asked for, which the form keeps; None for anything else."""
    try:
        return form.read_integer("expires_in", 1, LONGEST_EXPIRES_IN)
    except Invalid:
        return None


def _render_new(actions: Actions, prefill: Prefill, refusal: form.Refusal | None = None) -> Response:
    settings, now = actions.settings, actions.clock()
    longest = settings.pat_max_lifetime
    return form.render(
        "account/token_new.html",
        refusal,
        reach=actions.reach.of_user(actor(actions).id),
        prefill=prefill,
        lifetimes=offer_lifetimes(now, settings.pat_default_lifetime, longest, prefill.expires_in),
        days=form.days_ahead(now, longest),
    )


def _render_token(actions: Actions, token_id: str, refusal: form.Refusal | None = None) -> Response:
    token = _own_token(actions, token_id)
    events, _ = actions.audit.page(AuditFilter(target=token_id), RECENT_EVENTS, None)
    usage = read_chart(actions.read_usage, token_id)
    return form.render("account/token.html", refusal, token=token, events=events, usage=usage)
