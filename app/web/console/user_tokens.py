"""/console/users/…/tokens: personal access tokens that an operator makes for somebody, or ends."""

from __future__ import annotations

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.directory.lifetime import AskedLifetime
from app.actions.directory.personal_access_tokens import NewToken
from app.errors import LatchkeyError
from app.http.current import actions
from app.web.console.confirmation import ask
from app.web.console.selections import by_field, picked, sent
from app.web.form import day, days_ahead, read_name, text
from app.web.page_routes import Room, actor, done, show, status_of

OWNER = "console_users.one"

blueprint = Room("console_user_tokens", "/console/users/<row:user_id>/tokens", operators=True)


@blueprint.get("/new")
def new(user_id: str) -> Response:
    """Ask what a token for somebody shall be."""
    return _form(user_id)


@blueprint.post("")
def create(user_id: str) -> Response:
    """Make a token for somebody, and show its secret this once."""
    try:
        lifetime = AskedLifetime(expires_at=day("expires_on", actions().settings.pat_max_lifetime))
        wanted = NewToken(read_name("name"), picked("scopes"), lifetime, text("description"))
        token, issued = actions().personal_access_tokens.create(actor(), user_id, wanted)
    except LatchkeyError as error:
        return _form(user_id, status_of(error), _by_field(error))
    user = actions().users.get(user_id)
    return show("console/user_token_secret.html", 201, user=user, token=token, secret=issued.token)


@blueprint.get("/<row:token_id>/revoke")
def ask_to_revoke(user_id: str, token_id: str) -> Response:
    """Say what will stop working."""
    token = actions().personal_access_tokens.get(user_id, token_id)
    used = f"it was last used {token.last_used_at:%Y-%m-%d %H:%M} UTC" if token.last_used_at else "it was never used"
    said = f"Whatever uses {token.hint} stops working at once, and for good; {used}."
    to = url_for(".revoke", user_id=user_id, token_id=token_id)
    return ask(f"Revoke {token.name}?", said, "Revoke", to, url_for(OWNER, user_id=user_id))


@blueprint.post("/<row:token_id>/revoke")
def revoke(user_id: str, token_id: str) -> Response:
    """End a token of somebody for good."""
    actions().personal_access_tokens.revoke(actor(), user_id, token_id)
    return done("The token is revoked: it is refused everywhere from now on.", OWNER, user_id=user_id)


def _by_field(error: LatchkeyError) -> dict[str, str]:
    lifetime = ("expires_at", "expires_in")
    return {"expires_on" if name in lifetime else name: said for name, said in by_field(error, "name").items()}


def _form(user_id: str, status: int = 200, errors: dict[str, str] | None = None) -> Response:
    return show(
        "console/user_token_new.html",
        status,
        user=actions().users.get(user_id),
        reach=actions().reach.of_user(user_id),
        usual=actions().settings.pat_default_lifetime // 86_400,
        days=days_ahead(actions().settings.pat_max_lifetime),
        given=request.form,
        picked=sent("scopes"),
        errors=errors or {},
    )
