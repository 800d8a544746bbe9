"""/console/users/…/identities: accounts at identity providers that an operator links to a user, or unlinks."""

from __future__ import annotations

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.directory.identity_provider_records import NewIdentityLink
from app.compose import Actions
from app.errors import LatchkeyError
from app.models.identity_provider import LONGEST_SUBJECT
from app.web import form, pages
from app.web.console.confirmation import ask
from app.web.console.users import IDENTITY, render_user
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_operator

USER_PAGE = "console_users.show"
WARNING = "It signs nobody in here any more, the roles that its provider gave end, and every sign-in of theirs ends."

routes = PageRoutes("console_user_identities", "/console/users/<row:user_id>/identities", guard=require_operator)


@routes.post("")
def create(actions: Actions, user_id: str) -> Response:
    """Link an account to another user."""
    try:
        wanted = NewIdentityLink(request.form.get("provider", ""), form.read_line("subject", LONGEST_SUBJECT))
        actions.federation.links.create(actor(actions), user_id, wanted)
    except LatchkeyError as error:
        return render_user(actions, user_id, form.Refusal.of(error, duplicate="subject", form=IDENTITY))
    return pages.redirect_with("The account is linked: it signs them in now.", USER_PAGE, user_id=user_id)


@routes.get("/<row:link_id>/unlink")
def ask_to_unlink(actions: Actions, user_id: str, link_id: str) -> Response:
    """Ask before an account is unlinked."""
    link = actions.federation.links.get(user_id, link_id)
    return ask("Unlink", link.subject, WARNING, url_for(USER_PAGE, user_id=user_id))


@routes.post("/<row:link_id>/unlink")
def unlink(actions: Actions, user_id: str, link_id: str) -> Response:
    """Unlink an account of another user."""
    actions.federation.links.end_for(actor(actions), user_id, link_id)
    return pages.redirect_with("The account is not linked any more.", USER_PAGE, user_id=user_id)
