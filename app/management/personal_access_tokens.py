"""/users/{id}/personal-access-tokens: an operator creates, lists and revokes a user's tokens."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import Schema, ValidationError, fields, post_load, validates_schema

from app.actions.directory.lifetime import AskedLifetime
from app.actions.directory.personal_access_tokens import NewToken
from app.credentials.kind import Issued
from app.http.current import actions
from app.management.authorization import caller
from app.management.blueprint import Operations, PageQuery, gone, made, members_of, page_of, paged
from app.management.fields import Given, Listed, Moment, Name, Text, Whole, description, one_of

blueprint = Operations("personal-access-tokens", "Users' personal access tokens, as an operator sees them")
STATUSES = ("active", "expired", "revoked")
LONGEST_LIFETIME = 2**53  # seconds a number can say; the policy is stricter


class TokenSchema(Schema):
    """A token as it is shown; `scopes` are the chosen ones."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True)
    scopes = fields.List(fields.String(), required=True)
    hint = fields.String(required=True)
    created_at = Moment(required=True)
    expires_at = Moment(required=True, allow_none=True)
    last_used_at = Moment(required=True, allow_none=True)
    status = fields.String(required=True, metadata={"enum": STATUSES})
    revoked_at = Moment(required=True, allow_none=True)
    revoked_reason = fields.String(required=True, allow_none=True)


class MadeTokenSchema(TokenSchema):
    """A token with its secret, shown once."""

    token = fields.String(required=True)


class NewTokenSchema(Given):
    """A token to be made. `expires_at` null means never; without it and `expires_in` the server's default holds."""

    name = Name(required=True)
    scopes = Listed(Text(), shortest=1, required=True)
    description = description()
    expires_at = Moment(allow_none=True)
    expires_in = Whole(1, LONGEST_LIFETIME, metadata={"description": "seconds"})

    @validates_schema
    def _not_both(self, data: dict[str, Any], **_: Any) -> None:
        if "expires_at" in data and "expires_in" in data:
            raise ValidationError("Give expires_at or expires_in, not both.", "expires_in")

    @post_load
    def _with_lifetime(self, data: dict[str, Any], **_: Any) -> NewToken:
        never = "expires_at" in data and data["expires_at"] is None
        lifetime = AskedLifetime(data.pop("expires_at", None), data.pop("expires_in", None), never)
        return NewToken(**data, lifetime=lifetime)


class TokenQuery(PageQuery):
    """Which tokens to list."""

    status = one_of(*STATUSES)


def with_secret(view: Any, issued: Issued) -> dict[str, Any]:
    """Give the only answer that a token's secret is ever in."""
    return members_of(view) | {"token": issued.token}


@blueprint.get("/users/<row:user_id>/personal-access-tokens")
@blueprint.arguments(TokenQuery, location="query")
@blueprint.response(200, page_of(TokenSchema))
def list_tokens(query: dict[str, Any], user_id: str) -> Any:
    """List a user's tokens"""
    return paged(actions().personal_access_tokens.page(user_id, **query))


@blueprint.post("/users/<row:user_id>/personal-access-tokens")
@blueprint.arguments(NewTokenSchema)
@blueprint.response(201, MadeTokenSchema)
def create_token(new: NewToken, user_id: str) -> Any:
    """Make a token for a user; its secret is answered once"""
    token, issued = actions().personal_access_tokens.create(caller(), user_id, new)
    return made(with_secret(token, issued), f"/users/{user_id}/personal-access-tokens/{token.id}")


@blueprint.get("/users/<row:user_id>/personal-access-tokens/<row:token_id>")
@blueprint.response(200, TokenSchema)
def get_token(user_id: str, token_id: str) -> Any:
    """Show a user's token"""
    return actions().personal_access_tokens.get(user_id, token_id)


@blueprint.delete("/users/<row:user_id>/personal-access-tokens/<row:token_id>")
@blueprint.response(204)
def revoke_token(user_id: str, token_id: str) -> Response:
    """Revoke a user's token; it stays listed"""
    actions().personal_access_tokens.revoke(caller(), user_id, token_id)
    return gone()
