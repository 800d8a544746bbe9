"""/console/clients/…/grants: what users allowed a client to do for them, grant by grant."""

from __future__ import annotations

from typing import get_args

from flask import url_for
from werkzeug.wrappers import Response

from app.actions.directory.fields import Status
from app.compose import Actions
from app.web import lists, pages
from app.web.console.confirmation import ask
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_operator

STATUSES: tuple[Status, ...] = get_args(Status)

routes = PageRoutes("console_client_grants", "/console/clients/<row:client_row_id>/grants", guard=require_operator)


@routes.get("")
def index(actions: Actions, client_row_id: str) -> Response:
    """List the grants of the client, the newest first; a link leads to the grants of one user."""
    status, user = lists.read_filter("status", STATUSES), lists.read_word("user")
    found, cursor = actions.apps.grants(
        lists.PAGE, lists.read_cursor(), client_row_id=client_row_id, user_id=user, status=status
    )
    return pages.render(
        "console/client_grants.html",
        client=actions.clients.get(client_row_id),
        found=found,
        statuses=STATUSES,
        chosen_status=status,
        chosen_user=user,
        next_page=lists.next_page(cursor, client_row_id=client_row_id, status=status, user=user),
    )


@routes.get("/<row:grant_id>/revoke")
def ask_to_revoke(actions: Actions, client_row_id: str, grant_id: str) -> Response:
    """Ask before a grant is revoked."""
    grant = actions.apps.grant(grant_id, client_row_id)
    warning = f"{grant.client_name} can no longer act for {grant.username} by it, at once; its tokens are refused."
    return ask("Revoke", f"the grant of {grant.username}", warning, url_for(".index", client_row_id=client_row_id))


@routes.post("/<row:grant_id>/revoke")
def revoke(actions: Actions, client_row_id: str, grant_id: str) -> Response:
    """Revoke a grant of the client."""
    actions.apps.end_grant(actor(actions), grant_id, client_row_id)
    message = "The grant is revoked: its tokens are refused."
    return pages.redirect_with(message, ".index", client_row_id=client_row_id)
