"""/clients: programs that are registered and trusted, and their secrets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from marshmallow import fields

from app.actions.directory.client_secrets import ClientSecretView, NewClientSecret
from app.actions.directory.clients import ClientChanges, ClientView, NewClient
from app.actions.directory.fields import Mark, Name, Status, Word
from app.compose import Actions
from app.management.authorization import caller
from app.management.blueprint import Operations, add_secret, answer_created
from app.management.certificate_fields import CertificateSchema
from app.management.paging import answer_page, page_query, page_schema
from app.management.schemas import answer_schema, request_schema, value_field

operations = Operations("clients", "Clients and their secrets")

ClientSchema = answer_schema(ClientView)
MadeClientSchema = answer_schema(ClientView, "MadeClient", client_secret=fields.String())
NewClientSchema = request_schema(NewClient, base=CertificateSchema, without=["certificate_subject"])
ClientChangesSchema = request_schema(ClientChanges, base=CertificateSchema, without=["certificate_subject"])
ClientQuery = page_query(client_id=Word)
ClientSecretSchema = answer_schema(ClientSecretView)
MadeClientSecretSchema = answer_schema(ClientSecretView, "MadeClientSecret", client_secret=fields.String(required=True))
NewClientSecretSchema = request_schema(
    NewClientSecret,
    name=value_field(Annotated[Name | None, Mark.NOT_NULL], load_default=None),
    expires_at=value_field(datetime | None, load_default=None),
)
SecretQuery = page_query(status=Status)


@operations.get("/clients", page_schema(ClientSchema), query=ClientQuery)
def list_clients(actions: Actions, query: dict[str, Any]) -> Any:
    """List the clients"""
    return answer_page(actions.clients.page(**query))


@operations.post("/clients", MadeClientSchema, body=NewClientSchema)
def create_client(actions: Actions, new: NewClient) -> Any:
    """Register a client; its first secret is answered once"""
    client, issued = actions.clients.create(caller(), new)
    secret = {} if issued is None else {"client_secret": issued.token}
    return answer_created(actions, add_secret(client, **secret), f"/clients/{client.id}")


@operations.get("/clients/<row:row_id>", ClientSchema)
def get_client(actions: Actions, row_id: str) -> Any:
    """Show a client"""
    return actions.clients.get(row_id)


@operations.patch("/clients/<row:row_id>", ClientSchema, body=ClientChangesSchema)
def change_client(actions: Actions, changes: ClientChanges, row_id: str) -> Any:
    """Change a client: every token of it feels it at once"""
    return actions.clients.change(caller(), row_id, changes)


@operations.delete("/clients/<row:row_id>")
def delete_client(actions: Actions, row_id: str) -> None:
    """Delete a client: its secrets and tokens are dead at once"""
    actions.clients.delete(caller(), row_id)


@operations.get("/clients/<row:row_id>/secrets", page_schema(ClientSecretSchema), query=SecretQuery)
def list_client_secrets(actions: Actions, query: dict[str, Any], row_id: str) -> Any:
    """List a client's secrets by their hints"""
    return answer_page(actions.client_secrets.page(row_id, **query))


@operations.post("/clients/<row:row_id>/secrets", MadeClientSecretSchema, body=NewClientSecretSchema)
def create_client_secret(actions: Actions, new: NewClientSecret, row_id: str) -> Any:
    """Give a client a further secret, answered once; at most five live"""
    secret, issued = actions.client_secrets.create(caller(), row_id, new)
    return answer_created(
        actions, add_secret(secret, client_secret=issued.token), f"/clients/{row_id}/secrets/{secret.id}"
    )


@operations.get("/clients/<row:row_id>/secrets/<row:secret_id>", ClientSecretSchema)
def get_client_secret(actions: Actions, row_id: str, secret_id: str) -> Any:
    """Show a client's secret by its hint"""
    return actions.client_secrets.get(row_id, secret_id)


@operations.delete("/clients/<row:row_id>/secrets/<row:secret_id>")
def revoke_client_secret(actions: Actions, row_id: str, secret_id: str) -> None:
    """Revoke a client's secret; it stays listed"""
    actions.client_secrets.revoke(caller(), row_id, secret_id)
