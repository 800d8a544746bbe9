"""/console/users/…/tokens: personal access tokens that an operator creates or revokes for a user."""

from __future__ import annotations

from flask import url_for
from werkzeug.wrappers import Response

from app.actions.directory.lifetime import AskedLifetime
from app.actions.directory.personal_access_tokens import NewToken
from app.compose import Actions
from app.errors import LatchkeyError
from app.web import form, pages
from app.web.console.confirmation import ask
from app.web.console.expiry import read_expiry
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_operator

USER_PAGE = "console_users.show"

routes = PageRoutes("console_user_tokens", "/console/users/<row:user_id>/tokens", guard=require_operator)


@routes.get("/new")
def new(actions: Actions, user_id: str) -> Response:
    """Show the form for a new token."""
    return _render_new(actions, user_id)


@routes.post("")
def create(actions: Actions, user_id: str) -> Response:
    """Create a token for the user, and show its secret this once."""
    try:
        lifetime = AskedLifetime(expires_at=read_expiry(actions.clock(), actions.settings.pat_max_lifetime))
        wanted = NewToken(
            form.read_name("name"), form.read_selection("scopes"), lifetime, form.read_text("description")
        )
        token, issued = actions.personal_access_tokens.create(actor(actions), user_id, wanted)
    except LatchkeyError as error:
        return _render_new(actions, user_id, form.Refusal.of(error, duplicate="name"))
    user = actions.users.get(user_id)
    return pages.render("console/user_token_secret.html", 201, user=user, token=token, secret=issued.token)


@routes.get("/<row:token_id>/revoke")
def ask_to_revoke(actions: Actions, user_id: str, token_id: str) -> Response:
    """Ask before a token is revoked."""
    token = actions.personal_access_tokens.get(user_id, token_id)
    used = f"it was last used {token.last_used_at:%Y-%m-%d %H:%M} UTC" if token.last_used_at else "it was never used"
    warning = f"Whatever uses {token.hint} stops working at once, and for good; {used}."
    return ask("Revoke", token.name, warning, url_for(USER_PAGE, user_id=user_id))


@routes.post("/<row:token_id>/revoke")
def revoke(actions: Actions, user_id: str, token_id: str) -> Response:
    """Revoke a token of the user."""
    actions.personal_access_tokens.revoke(actor(actions), user_id, token_id)
    return pages.redirect_with("The token is revoked: it is refused everywhere.", USER_PAGE, user_id=user_id)


def _render_new(actions: Actions, user_id: str, refusal: form.Refusal | None = None) -> Response:
    return form.render(
        "console/user_token_new.html",
        refusal,
        user=actions.users.get(user_id),
        reach=actions.reach.of_user(user_id),
        default=actions.settings.pat_default_lifetime,
        days=form.days_ahead(actions.clock(), actions.settings.pat_max_lifetime),
        picked=form.sent_values("scopes"),
    )
