"""/console/clients/…/federated-credentials: whom a client trusts to say who it is, listed, added and removed."""

from __future__ import annotations

from flask import url_for
from werkzeug.wrappers import Response

from app.actions.directory.federated_credentials import LONGEST_AUDIENCE, NewFederatedCredential
from app.actions.trust.issuers import LONGEST_ISSUER
from app.actions.trust.subject_pattern import LONGEST
from app.errors import LatchkeyError
from app.http.current import actions
from app.web.console.clients import show_client
from app.web.console.confirmation import ask
from app.web.form import line, read_name
from app.web.page_routes import Room, actor, done, said_by_field, status_of

ONE = "console_clients.one"
PATH = "/console/clients/<row:client_row_id>/federated-credentials"
FIELDS = {"name": "credential_name"}  # the page has another form with a name

blueprint = Room("console_federated_credentials", PATH, operators=True)


@blueprint.post("")
def create(client_row_id: str) -> Response:
    """Let the client be recognised by another issuer's token."""
    try:
        actions().federated_credentials.create(actor(), client_row_id, _wanted())
    except LatchkeyError as error:
        said = {FIELDS.get(field, field): text for field, text in said_by_field(error).items()}
        return show_client(client_row_id, status_of(error), federated_errors=said)
    return done("The issuer is trusted: its tokens open the token endpoint at once.", ONE, client_row_id=client_row_id)


@blueprint.get("/<row:credential_id>/remove")
def ask_to_remove(client_row_id: str, credential_id: str) -> Response:
    """Say what will stop working."""
    found = actions().federated_credentials.get(client_row_id, credential_id)
    return ask(
        f"Remove {found.name}?",
        f"What {found.issuer} says of {found.subject} lets nobody in any more, at once. Tokens already got live on.",
        "Remove",
        url_for(".remove", client_row_id=client_row_id, credential_id=credential_id),
        url_for(ONE, client_row_id=client_row_id),
    )


@blueprint.post("/<row:credential_id>/remove")
def remove(client_row_id: str, credential_id: str) -> Response:
    """Trust it no more."""
    actions().federated_credentials.delete(actor(), client_row_id, credential_id)
    return done("The issuer is trusted no more in this.", ONE, client_row_id=client_row_id)


def _wanted() -> NewFederatedCredential:
    return NewFederatedCredential(
        name=read_name("credential_name"),
        issuer=line("issuer", LONGEST_ISSUER),
        subject=line("subject", LONGEST),
        audience=line("audience", LONGEST_AUDIENCE, needed=False) or None,
    )
