"""/console/clients/…/secrets: further secrets of a client, each shown once, listed by its hint, and revoked."""

from __future__ import annotations

from flask import url_for
from werkzeug.wrappers import Response

from app.actions.directory.client_secrets import NewClientSecret
from app.errors import LatchkeyError
from app.http.current import actions
from app.web.console.asking import ask
from app.web.console.clients import show_client
from app.web.form import day, read_name
from app.web.room import Room, actor, done, said_by_field, show, status_of

ONE = "console_clients.one"

blueprint = Room("console_client_secrets", "/console/clients/<row:client_row_id>/secrets", operators=True)


@blueprint.post("")
def create(client_row_id: str) -> Response:
    """Make a further secret, and show it this once."""
    try:
        wanted = NewClientSecret(read_name("secret_name", needed=False) or None, day("expires_on"))
        _, issued = actions().client_secrets.create(actor(), client_row_id, wanted)
    except LatchkeyError as error:
        return show_client(client_row_id, status_of(error), secret_errors=_by_field(error))
    client, issuer = actions().clients.get(client_row_id), actions().settings.issuer
    return show("console/client_made.html", 201, client=client, secret=issued.token, issuer=issuer, further=True)


@blueprint.get("/<row:secret_id>/revoke")
def ask_to_revoke(client_row_id: str, secret_id: str) -> Response:
    """Say what will stop working."""
    secret = actions().client_secrets.get(client_row_id, secret_id)
    return ask(
        f"Revoke {secret.name or secret.hint}?",
        f"Whatever signs in with {secret.hint} cannot any more, at once and for good. Tokens that it has got live on.",
        "Revoke",
        url_for(".revoke", client_row_id=client_row_id, secret_id=secret_id),
        url_for(ONE, client_row_id=client_row_id),
    )


@blueprint.post("/<row:secret_id>/revoke")
def revoke(client_row_id: str, secret_id: str) -> Response:
    """End a secret for good."""
    actions().client_secrets.revoke(actor(), client_row_id, secret_id)
    return done("The secret is revoked.", ONE, client_row_id=client_row_id)


def _by_field(error: LatchkeyError) -> dict[str, str]:
    names = {"expires_at": "expires_on", "expires_in": "expires_on", "name": "secret_name"}
    return {names.get(field, field): said for field, said in said_by_field(error).items()}
