"""/api-keys: anonymous use of one API."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import fields

from app.actions.directory.api_keys import KeyChanges, KeyOverlap, KeyStatus, KeyView, NewKey
from app.actions.directory.fields import Identifier
from app.http.current import actions
from app.management.authorization import caller
from app.management.blueprint import Operations, PageQuery, gone, made, members_of, page_of, paged
from app.management.schemas import answer_schema, request_schema, value_field

blueprint = Operations("api-keys", "API keys")

KeySchema = answer_schema(KeyView, without=["narrowed"])
MadeKeySchema = answer_schema(KeyView, "MadeKey", without=["narrowed"], key=fields.String(required=True))
NewKeySchema = request_schema(NewKey)
KeyChangesSchema = request_schema(KeyChanges)
OverlapSchema = request_schema(KeyOverlap, "Overlap")


class KeyQuery(PageQuery):
    """Which keys to list."""

    status = value_field(KeyStatus)
    resource = value_field(Identifier)


@blueprint.get("/api-keys")
@blueprint.arguments(KeyQuery, location="query")
@blueprint.response(200, page_of(KeySchema))
def list_api_keys(query: dict[str, Any]) -> Any:
    """List the API keys"""
    return paged(actions().api_keys.page(**query))


@blueprint.post("/api-keys")
@blueprint.arguments(NewKeySchema)
@blueprint.response(201, MadeKeySchema)
def create_api_key(new: NewKey) -> Any:
    """Issue an API key; its secret is answered once"""
    key, issued = actions().api_keys.create(caller(), new)
    return made(members_of(key) | {"key": issued.token}, f"/api-keys/{key.id}")


@blueprint.get("/api-keys/<row:key_id>")
@blueprint.response(200, KeySchema)
def get_api_key(key_id: str) -> Any:
    """Show an API key"""
    return actions().api_keys.get(key_id)


@blueprint.patch("/api-keys/<row:key_id>")
@blueprint.arguments(KeyChangesSchema)
@blueprint.response(200, KeySchema)
def change_api_key(changes: KeyChanges, key_id: str) -> Any:
    """Change an API key"""
    return actions().api_keys.change(caller(), key_id, changes)


@blueprint.delete("/api-keys/<row:key_id>")
@blueprint.response(204)
def revoke_api_key(key_id: str) -> Response:
    """Revoke an API key; it stays listed"""
    actions().api_keys.revoke(caller(), key_id)
    return gone()


@blueprint.post("/api-keys/<row:key_id>/rotate")
@blueprint.arguments(OverlapSchema, required=False)
@blueprint.response(200, MadeKeySchema)
def rotate_api_key(overlap: KeyOverlap, key_id: str) -> Any:
    """Give an API key a new secret, answered once; the old one works until the overlap ends"""
    key, issued = actions().api_keys.rotate(caller(), key_id, overlap.overlap_seconds)
    return members_of(key) | {"key": issued.token}
