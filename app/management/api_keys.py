"""/api-keys: anonymous use of one API."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from app.actions.directory.api_keys import KeyChanges, KeyOverlap, KeyStatus, KeyView, NewKey
from app.actions.directory.fields import Identifier
from app.compose import Actions
from app.management.authorization import caller
from app.management.blueprint import Operations, add_secret, answer_created
from app.management.paging import answer_page, page_query, page_schema
from app.management.schemas import answer_schema, request_schema

operations = Operations("api-keys", "API keys")

KeySchema = answer_schema(KeyView, without=["narrowed"])
MadeKeySchema = answer_schema(KeyView, "MadeKey", without=["narrowed"], key=fields.String(required=True))
NewKeySchema = request_schema(NewKey)
KeyChangesSchema = request_schema(KeyChanges)
OverlapSchema = request_schema(KeyOverlap, "Overlap")
KeyQuery = page_query(status=KeyStatus, resource=Identifier)


@operations.get("/api-keys", page_schema(KeySchema), query=KeyQuery)
def list_api_keys(actions: Actions, query: dict[str, Any]) -> Any:
    """List the API keys"""
    return answer_page(actions.api_keys.page(**query))


@operations.post("/api-keys", MadeKeySchema, body=NewKeySchema)
def create_api_key(actions: Actions, new: NewKey) -> Any:
    """Issue an API key; its secret is answered once"""
    key, issued = actions.api_keys.create(caller(), new)
    return answer_created(actions, add_secret(key, key=issued.token), f"/api-keys/{key.id}")


@operations.get("/api-keys/<row:key_id>", KeySchema)
def get_api_key(actions: Actions, key_id: str) -> Any:
    """Show an API key"""
    return actions.api_keys.get(key_id)


@operations.patch("/api-keys/<row:key_id>", KeySchema, body=KeyChangesSchema)
def change_api_key(actions: Actions, changes: KeyChanges, key_id: str) -> Any:
    """Change an API key"""
    return actions.api_keys.change(caller(), key_id, changes)


@operations.delete("/api-keys/<row:key_id>")
def revoke_api_key(actions: Actions, key_id: str) -> None:
    """Revoke an API key; it stays listed"""
    actions.api_keys.revoke(caller(), key_id)


@operations.post("/api-keys/<row:key_id>/rotate", MadeKeySchema, body=OverlapSchema, body_required=False, status=200)
def rotate_api_key(actions: Actions, overlap: KeyOverlap, key_id: str) -> Any:
    """Give an API key a new secret, answered once; the old one works until the overlap ends"""
    key, issued = actions.api_keys.rotate(caller(), key_id, overlap.overlap_seconds)
    return add_secret(key, key=issued.token)
