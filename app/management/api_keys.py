"""/api-keys: anonymous use of one API."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import Schema, fields

from app.actions.directory.api_keys import (
    LONGEST_OVERLAP,
    LONGEST_WINDOW,
    MOST_NETWORKS,
    MOST_REQUESTS,
    KeyChanges,
    NewKey,
)
from app.actions.directory.resources import LONGEST_IDENTIFIER
from app.credentials.kind import RateLimit
from app.http.current import actions
from app.management.authorization import caller
from app.management.blueprint import Operations, PageQuery, gone, made, members_of, page_of, paged
from app.management.fields import Flag, Given, Listed, Moment, Name, Text, Whole, one_of

blueprint = Operations("api-keys", "API keys")
STATUSES = ("active", "disabled", "expired", "revoked")


class RateLimitSchema(Schema):
    """How often a key may be used."""

    requests = fields.Integer(required=True)
    window_seconds = fields.Integer(required=True)


class GivenRateLimitSchema(Given):
    """How often a key may be used."""

    makes = RateLimit
    requests = Whole(1, MOST_REQUESTS, required=True)
    window_seconds = Whole(1, LONGEST_WINDOW, required=True)


class KeySchema(Schema):
    """A key as it is shown; `scopes` are those it carries now."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    resource = fields.String(required=True, allow_none=True)
    scopes = fields.List(fields.String(), required=True)
    hint = fields.String(required=True)
    created_at = Moment(required=True)
    expires_at = Moment(required=True, allow_none=True)
    last_used_at = Moment(required=True, allow_none=True)
    rate_limit = fields.Nested(RateLimitSchema, required=True, allow_none=True)
    allowed_ips = fields.List(fields.String(), required=True)
    enabled = fields.Boolean(required=True)
    status = fields.String(required=True, metadata={"enum": STATUSES})
    revoked_at = Moment(required=True, allow_none=True)
    revoked_reason = fields.String(required=True, allow_none=True)


class MadeKeySchema(KeySchema):
    """A key with its secret, shown once."""

    key = fields.String(required=True)


class NewKeySchema(Given):
    """A key to be issued. Without `scopes` it carries all that is public on the resource, now and later."""

    makes = NewKey
    name = Name(required=True)
    resource = Text(LONGEST_IDENTIFIER, required=True, metadata={"description": "identifier of the resource"})
    scopes = Listed(Text(), allow_none=True)
    expires_at = Moment(allow_none=True)
    rate_limit = fields.Nested(GivenRateLimitSchema, allow_none=True)
    allowed_ips = Listed(Text(), longest=MOST_NETWORKS, metadata={"description": "networks, such as 192.0.2.0/24"})
    enabled = Flag(metadata={"default": True})


class KeyChangesSchema(Given):
    """What changes of a key."""

    makes = KeyChanges
    name = Name()
    scopes = Listed(Text(), allow_none=True)
    expires_at = Moment(allow_none=True)
    rate_limit = fields.Nested(GivenRateLimitSchema, allow_none=True)
    allowed_ips = Listed(Text(), longest=MOST_NETWORKS)
    enabled = Flag()


class OverlapSchema(Given):
    """How long the old secret works beside the new one."""

    overlap_seconds = Whole(0, LONGEST_OVERLAP, load_default=0)


class KeyQuery(PageQuery):
    """Which keys to list."""

    status = one_of(*STATUSES)
    resource = Text(LONGEST_IDENTIFIER)


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
def rotate_api_key(overlap: dict[str, int], key_id: str) -> Any:
    """Give an API key a new secret, answered once; the old one works until the overlap ends"""
    key, issued = actions().api_keys.rotate(caller(), key_id, **overlap)
    return members_of(key) | {"key": issued.token}
