"""/clients: programs that are registered and trusted, and their secrets."""

from __future__ import annotations

from typing import Any, get_args

from flask import Response
from marshmallow import Schema, fields

from app.actions.directory.clients import ClientChanges, NewClient
from app.actions.directory.fields import LONGEST_IDENTIFIER
from app.actions.trust.certificates import Method
from app.actions.trust.registration import LONGEST_URI
from app.http.current import actions
from app.management.authorization import caller
from app.management.blueprint import Operations, PageQuery, gone, made, members_of, page_of, paged
from app.management.certificate_fields import GivenSubject, ShownSubject
from app.management.fields import Flag, Given, Listed, Members, Moment, Name, Text, one_of

blueprint = Operations("clients", "Clients and their secrets")
METHODS = get_args(Method)
STATUSES = ("active", "expired", "revoked")


class ClientSchema(ShownSubject):
    """A client as it is shown."""

    id = fields.String(required=True)
    client_id = fields.String(required=True)
    name = fields.String(required=True)
    token_endpoint_auth_method = fields.String(required=True, metadata={"enum": METHODS})
    jwks = fields.Dict(required=True, allow_none=True)
    jwks_uri = fields.String(required=True, allow_none=True)
    roles = fields.List(fields.String(), required=True)
    serves = fields.List(fields.String(), required=True)
    enabled = fields.Boolean(required=True)
    dpop_bound_access_tokens = fields.Boolean(required=True)
    tls_client_certificate_bound_access_tokens = fields.Boolean(required=True)
    created_at = Moment(required=True)


class MadeClientSchema(ClientSchema):
    """A client with its first secret, shown once; there is none for one that proves itself by a key or certificate."""

    client_secret = fields.String()


class NewClientSchema(GivenSubject):
    """A client to be registered.

    private_key_jwt and self_signed_tls_client_auth need either jwks or jwks_uri, tls_client_auth exactly one of the
    five tls_client_auth_… fields; the other methods none.
    """

    makes = NewClient
    name = Name(required=True)
    token_endpoint_auth_method = one_of(*METHODS, metadata={"default": METHODS[0]})
    jwks = Members(
        allow_none=True, metadata={"description": "public keys (RFC 7517 §5); keys of other uses are skipped"}
    )
    jwks_uri = Text(LONGEST_URI, allow_none=True)
    roles = Listed(Name(), metadata={"description": "names of machine roles"})
    serves = Listed(Text(LONGEST_IDENTIFIER), metadata={"description": "identifiers of resources"})
    enabled = Flag(metadata={"default": True})
    dpop_bound_access_tokens = Flag(
        metadata={"default": False, "description": "it gets no token without a DPoP proof (RFC 9449 §5.2)"}
    )
    tls_client_certificate_bound_access_tokens = Flag(
        metadata={"default": False, "description": "nor without a client certificate (RFC 8705 §3.4)"}
    )


class ClientChangesSchema(GivenSubject):
    """What changes of a client."""

    makes = ClientChanges
    name = Name()
    token_endpoint_auth_method = one_of(*METHODS)
    jwks = Members(allow_none=True)
    jwks_uri = Text(LONGEST_URI, allow_none=True)
    roles = Listed(Name())
    serves = Listed(Text(LONGEST_IDENTIFIER))
    enabled = Flag()
    dpop_bound_access_tokens = Flag()
    tls_client_certificate_bound_access_tokens = Flag()


class ClientQuery(PageQuery):
    """Which clients to list."""

    client_id = Text()


class ClientSecretSchema(Schema):
    """A client's secret as it is shown: by its hint."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    hint = fields.String(required=True)
    created_at = Moment(required=True)
    expires_at = Moment(required=True, allow_none=True)
    status = fields.String(required=True, metadata={"enum": STATUSES})
    revoked_at = Moment(required=True, allow_none=True)
    revoked_reason = fields.String(required=True, allow_none=True)


class MadeClientSecretSchema(ClientSecretSchema):
    """A new secret, shown once."""

    client_secret = fields.String(required=True)


class NewClientSecretSchema(Given):
    """A further secret to be made."""

    name = Name(load_default=None, allow_none=False)
    expires_at = Moment(load_default=None, allow_none=True)


class SecretQuery(PageQuery):
    """Which secrets to list."""

    status = one_of(*STATUSES)


@blueprint.get("/clients")
@blueprint.arguments(ClientQuery, location="query")
@blueprint.response(200, page_of(ClientSchema))
def list_clients(query: dict[str, Any]) -> Any:
    """List the clients"""
    return paged(actions().clients.page(**query))


@blueprint.post("/clients")
@blueprint.arguments(NewClientSchema)
@blueprint.response(201, MadeClientSchema)
def create_client(new: NewClient) -> Any:
    """Register a client; its first secret is answered once"""
    client, issued = actions().clients.create(caller(), new)
    secret = {} if issued is None else {"client_secret": issued.token}
    return made(members_of(client) | secret, f"/clients/{client.id}")


@blueprint.get("/clients/<row:row_id>")
@blueprint.response(200, ClientSchema)
def get_client(row_id: str) -> Any:
    """Show a client"""
    return actions().clients.get(row_id)


@blueprint.patch("/clients/<row:row_id>")
@blueprint.arguments(ClientChangesSchema)
@blueprint.response(200, ClientSchema)
def change_client(changes: ClientChanges, row_id: str) -> Any:
    """Change a client: every token of it feels it at once"""
    return actions().clients.change(caller(), row_id, changes)


@blueprint.delete("/clients/<row:row_id>")
@blueprint.response(204)
def delete_client(row_id: str) -> Response:
    """Delete a client: its secrets and tokens are dead at once"""
    actions().clients.delete(caller(), row_id)
    return gone()


@blueprint.get("/clients/<row:row_id>/secrets")
@blueprint.arguments(SecretQuery, location="query")
@blueprint.response(200, page_of(ClientSecretSchema))
def list_client_secrets(query: dict[str, Any], row_id: str) -> Any:
    """List a client's secrets by their hints"""
    return paged(actions().client_secrets.page(row_id, **query))


@blueprint.post("/clients/<row:row_id>/secrets")
@blueprint.arguments(NewClientSecretSchema)
@blueprint.response(201, MadeClientSecretSchema)
def create_client_secret(new: dict[str, Any], row_id: str) -> Any:
    """Give a client a further secret, answered once; at most five live"""
    secret, issued = actions().client_secrets.create(caller(), row_id, **new)
    return made(members_of(secret) | {"client_secret": issued.token}, f"/clients/{row_id}/secrets/{secret.id}")


@blueprint.get("/clients/<row:row_id>/secrets/<row:secret_id>")
@blueprint.response(200, ClientSecretSchema)
def get_client_secret(row_id: str, secret_id: str) -> Any:
    """Show a client's secret by its hint"""
    return actions().client_secrets.get(row_id, secret_id)


@blueprint.delete("/clients/<row:row_id>/secrets/<row:secret_id>")
@blueprint.response(204)
def revoke_client_secret(row_id: str, secret_id: str) -> Response:
    """Revoke a client's secret; it stays listed"""
    actions().client_secrets.revoke(caller(), row_id, secret_id)
    return gone()
