"""/console/clients/…/secrets: further secrets of a client, each shown once, and revoked."""

from __future__ import annotations

from flask import url_for
from werkzeug.wrappers import Response

from app.actions.directory.client_secrets import NewClientSecret
from app.compose import Actions
from app.errors import LatchkeyError
from app.web import form, pages
from app.web.console.clients import SECRET, render_client, render_secret
from app.web.console.confirmation import ask
from app.web.console.expiry import read_expiry
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_operator

CLIENT_PAGE = "console_clients.show"
FIELDS = {"name": "secret_name"}

routes = PageRoutes("console_client_secrets", "/console/clients/<row:client_row_id>/secrets", guard=require_operator)


@routes.post("")
def create(actions: Actions, client_row_id: str) -> Response:
    """Create a further secret, and show it this once."""
    try:
        name = form.read_name("secret_name", required=False) or None
        wanted = NewClientSecret(name, read_expiry(actions.clock()))
        _, issued = actions.client_secrets.create(actor(actions), client_row_id, wanted)
    except LatchkeyError as error:
        return render_client(actions, client_row_id, form.Refusal.of(error, form=SECRET, rename=FIELDS))
    return render_secret(actions, actions.clients.get(client_row_id), issued.token, further=True)


@routes.get("/<row:secret_id>/revoke")
def ask_to_revoke(actions: Actions, client_row_id: str, secret_id: str) -> Response:
    """Ask before a secret is revoked."""
    secret = actions.client_secrets.get(client_row_id, secret_id)
    warning = f"Whatever uses {secret.hint} can no longer get tokens. Tokens already issued stay valid."
    return ask("Revoke", secret.name or secret.hint, warning, url_for(CLIENT_PAGE, client_row_id=client_row_id))


@routes.post("/<row:secret_id>/revoke")
def revoke(actions: Actions, client_row_id: str, secret_id: str) -> Response:
    """Revoke a secret."""
    actions.client_secrets.revoke(actor(actions), client_row_id, secret_id)
    return pages.redirect_with("The secret is revoked.", CLIENT_PAGE, client_row_id=client_row_id)
