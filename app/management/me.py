"""/me: what a user sees and does of their own, by username and password."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response
from marshmallow import fields

from app.actions.directory.personal_access_tokens import NewToken
from app.http.current import actions
from app.management.authorization import caller
from app.management.blueprint import Operations, gone, made, page_of, paged
from app.management.fields import Given, Name, description
from app.management.personal_access_tokens import (
    MadeTokenSchema,
    NewTokenSchema,
    TokenQuery,
    TokenSchema,
    with_secret,
)
from app.management.signing_keys import NothingSchema
from app.management.users import UserSchema

blueprint = Operations("me", "The user's own profile and personal access tokens")


class ProfileSchema(UserSchema):
    """A user, and the scopes that the roles give now."""

    scopes = fields.List(fields.String(), required=True)


class TokenChangesSchema(Given):
    """What changes of a token."""

    name = Name()
    description = description()


@blueprint.get("/me")
@blueprint.response(200, ProfileSchema)
def get_me() -> Any:
    """Show the profile, the roles and the scopes that they give now"""
    profile = actions().users.profile(caller().id)
    return asdict(profile.user) | {"scopes": list(profile.scopes)}


@blueprint.get("/me/personal-access-tokens")
@blueprint.arguments(TokenQuery, location="query")
@blueprint.response(200, page_of(TokenSchema))
def list_my_tokens(query: dict[str, Any]) -> Any:
    """List one's own tokens"""
    return paged(actions().personal_access_tokens.page(caller().id, **query))


@blueprint.post("/me/personal-access-tokens")
@blueprint.arguments(NewTokenSchema)
@blueprint.response(201, MadeTokenSchema)
def create_my_token(new: NewToken) -> Any:
    """Make a token of scopes that the roles give now; its secret is answered once"""
    token, issued = actions().personal_access_tokens.create(caller(), caller().id, new)
    return made(with_secret(token, issued), f"/me/personal-access-tokens/{token.id}")


@blueprint.get("/me/personal-access-tokens/<row:token_id>")
@blueprint.response(200, TokenSchema)
def get_my_token(token_id: str) -> Any:
    """Show one of one's own tokens"""
    return actions().personal_access_tokens.get(caller().id, token_id)


@blueprint.patch("/me/personal-access-tokens/<row:token_id>")
@blueprint.arguments(TokenChangesSchema)
@blueprint.response(200, TokenSchema)
def change_my_token(changes: dict[str, str], token_id: str) -> Any:
    """Rename a token, or describe it anew"""
    return actions().personal_access_tokens.change(caller(), caller().id, token_id, **changes)


@blueprint.delete("/me/personal-access-tokens/<row:token_id>")
@blueprint.response(204)
def revoke_my_token(token_id: str) -> Response:
    """Revoke a token; it stays listed"""
    actions().personal_access_tokens.revoke(caller(), caller().id, token_id)
    return gone()


@blueprint.post("/me/personal-access-tokens/<row:token_id>/regenerate")
@blueprint.arguments(NothingSchema, required=False)
@blueprint.response(200, MadeTokenSchema)
def regenerate_my_token(_nothing: dict[str, Any], token_id: str) -> Any:
    """Give a token a new secret and a new expiry; the old secret is dead at once"""
    token, issued = actions().personal_access_tokens.regenerate(caller(), caller().id, token_id)
    return with_secret(token, issued)
