"""/console/clients/…/federated-credentials: the issuers whose tokens authenticate a client."""

from __future__ import annotations

from flask import url_for
from werkzeug.wrappers import Response

from app.actions.directory.federated_credentials import LONGEST_AUDIENCE, NewFederatedCredential
from app.actions.trust.issuers import LONGEST_ISSUER
from app.actions.trust.subject_pattern import LONGEST_PATTERN
from app.compose import Actions
from app.errors import LatchkeyError
from app.web import form, pages
from app.web.console.clients import FEDERATED, render_client
from app.web.console.confirmation import ask
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_operator

CLIENT_PAGE = "console_clients.show"
PATH = "/console/clients/<row:client_row_id>/federated-credentials"
FIELDS = {"name": "credential_name"}  # the page has another form with a name

routes = PageRoutes("console_federated_credentials", PATH, guard=require_operator)


@routes.post("")
def create(actions: Actions, client_row_id: str) -> Response:
    """Trust the tokens of another issuer to authenticate the client."""
    try:
        actions.federated_credentials.create(actor(actions), client_row_id, _read_credential())
    except LatchkeyError as error:
        return render_client(actions, client_row_id, form.Refusal.of(error, form=FEDERATED, rename=FIELDS))
    message = "The issuer is trusted: its tokens are accepted at the token endpoint at once."
    return pages.redirect_with(message, CLIENT_PAGE, client_row_id=client_row_id)


@routes.get("/<row:credential_id>/remove")
def ask_to_remove(actions: Actions, client_row_id: str, credential_id: str) -> Response:
    """Ask before an issuer is removed."""
    found = actions.federated_credentials.get(client_row_id, credential_id)
    warning = f"Tokens of {found.issuer} for {found.subject} are refused at once. Tokens already issued live on."
    return ask("Remove", found.name, warning, url_for(CLIENT_PAGE, client_row_id=client_row_id))


@routes.post("/<row:credential_id>/remove")
def remove(actions: Actions, client_row_id: str, credential_id: str) -> Response:
    """Remove a trusted issuer of the client."""
    actions.federated_credentials.delete(actor(actions), client_row_id, credential_id)
    return pages.redirect_with("The issuer is no longer trusted for this.", CLIENT_PAGE, client_row_id=client_row_id)


def _read_credential() -> NewFederatedCredential:
    return NewFederatedCredential(
        name=form.read_name("credential_name"),
        issuer=form.read_line("issuer", LONGEST_ISSUER),
        subject=form.read_line("subject", LONGEST_PATTERN),
        audience=form.read_line("audience", LONGEST_AUDIENCE, required=False) or None,
    )
