"""/clients/{id}/federated-credentials: which tokens of other issuers a client is recognised by, without a secret."""

from __future__ import annotations

from typing import Any

from app.actions.directory.federated_credentials import NewFederatedCredential
from app.actions.trust.issuers import FederatedCredentialView
from app.compose import Actions
from app.management.authorization import caller
from app.management.blueprint import Operations, answer_created
from app.management.paging import PageQuery, answer_page, page_schema
from app.management.schemas import answer_schema, request_schema

operations = Operations("federated_credentials", "What clients are recognised by without a secret")

FederatedCredentialSchema = answer_schema(FederatedCredentialView)
NewFederatedCredentialSchema = request_schema(NewFederatedCredential)


@operations.get("/clients/<row:row_id>/federated-credentials", page_schema(FederatedCredentialSchema), query=PageQuery)
def list_federated_credentials(actions: Actions, query: dict[str, Any], row_id: str) -> Any:
    """List what a client is recognised by"""
    return answer_page(actions.federated_credentials.page(row_id, **query))


@operations.post(
    "/clients/<row:row_id>/federated-credentials", FederatedCredentialSchema, body=NewFederatedCredentialSchema
)
def create_federated_credential(actions: Actions, new: NewFederatedCredential, row_id: str) -> Any:
    """Let a client be recognised by another issuer's token"""
    created = actions.federated_credentials.create(caller(), row_id, new)
    return answer_created(actions, created, f"/clients/{row_id}/federated-credentials/{created.id}")


@operations.get("/clients/<row:row_id>/federated-credentials/<row:credential_id>", FederatedCredentialSchema)
def get_federated_credential(actions: Actions, row_id: str, credential_id: str) -> Any:
    """Show one of the things that a client is recognised by"""
    return actions.federated_credentials.get(row_id, credential_id)


@operations.delete("/clients/<row:row_id>/federated-credentials/<row:credential_id>")
def delete_federated_credential(actions: Actions, row_id: str, credential_id: str) -> None:
    """Recognise a client by it no more, at once"""
    actions.federated_credentials.delete(caller(), row_id, credential_id)
