"""/clients/{id}/federated-credentials: which tokens of other issuers a client is recognised by, without a secret."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import Schema, fields

from app.actions.directory.federated_credentials import LONGEST_AUDIENCE, NewFederatedCredential
from app.actions.trust.issuers import LONGEST_ISSUER
from app.actions.trust.registration import LONGEST_URI
from app.actions.trust.subject_pattern import LONGEST
from app.http.current import actions
from app.management.authorization import caller
from app.management.blueprint import Operations, PageQuery, gone, made, page_of, paged
from app.management.fields import Given, Members, Moment, Name, Text

blueprint = Operations("federated_credentials", "What clients are recognised by without a secret")


class FederatedCredentialSchema(Schema):
    """A federated credential as it is shown: nothing of it is secret."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    issuer = fields.String(required=True)
    audience = fields.String(required=True)
    subject = fields.String(required=True)
    claims = fields.Dict(required=True)
    jwks = fields.Dict(required=True, allow_none=True)
    jwks_uri = fields.String(required=True, allow_none=True)
    created_at = Moment(required=True)


class NewFederatedCredentialSchema(Given):
    """Tokens to be trusted. With neither jwks nor jwks_uri the issuer's own discovery names its keys."""

    makes = NewFederatedCredential
    name = Name(required=True)
    issuer = Text(LONGEST_ISSUER, required=True, metadata={"description": "the token's `iss`, an https URL"})
    subject = Text(
        LONGEST, required=True, metadata={"description": "the token's `sub`; * is one or more characters but no colon"}
    )
    audience = Text(LONGEST_AUDIENCE, allow_none=True, metadata={"description": "the token's `aud`; else our issuer"})
    claims = Members(metadata={"description": "further claims and the exact text of each"})
    jwks = Members(allow_none=True, metadata={"description": "public keys (RFC 7517 §5)"})
    jwks_uri = Text(LONGEST_URI, allow_none=True)


@blueprint.get("/clients/<row:row_id>/federated-credentials")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, page_of(FederatedCredentialSchema))
def list_federated_credentials(query: dict[str, Any], row_id: str) -> Any:
    """List what a client is recognised by"""
    return paged(actions().federated_credentials.page(row_id, **query))


@blueprint.post("/clients/<row:row_id>/federated-credentials")
@blueprint.arguments(NewFederatedCredentialSchema)
@blueprint.response(201, FederatedCredentialSchema)
def create_federated_credential(new: NewFederatedCredential, row_id: str) -> Any:
    """Let a client be recognised by another issuer's token"""
    created = actions().federated_credentials.create(caller(), row_id, new)
    return made(created, f"/clients/{row_id}/federated-credentials/{created.id}")


@blueprint.get("/clients/<row:row_id>/federated-credentials/<row:credential_id>")
@blueprint.response(200, FederatedCredentialSchema)
def get_federated_credential(row_id: str, credential_id: str) -> Any:
    """Show one of the things that a client is recognised by"""
    return actions().federated_credentials.get(row_id, credential_id)


@blueprint.delete("/clients/<row:row_id>/federated-credentials/<row:credential_id>")
@blueprint.response(204)
def delete_federated_credential(row_id: str, credential_id: str) -> Response:
    """Recognise a client by it no more, at once"""
    actions().federated_credentials.delete(caller(), row_id, credential_id)
    return gone()
