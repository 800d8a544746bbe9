"""/me: a user's own profile and tokens, by username and password."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from marshmallow import fields

from app.actions.directory.personal_access_tokens import NewToken, TokenChanges
from app.actions.directory.users import UserView
from app.compose import Actions
from app.management.authorization import caller
from app.management.blueprint import Operations, add_secret, answer_created
from app.management.paging import answer_page, page_schema
from app.management.schemas import answer_schema, request_schema
from app.management.signing_keys import NothingSchema
from app.management.token_schemas import MadeTokenSchema, NewTokenSchema, TokenQuery, TokenSchema

operations = Operations("me", "The user's own profile and personal access tokens")

ProfileSchema = answer_schema(UserView, "Profile", scopes=fields.List(fields.String(), required=True))
TokenChangesSchema = request_schema(TokenChanges)


@operations.get("/me", ProfileSchema)
def get_me(actions: Actions) -> Any:
    """Show the profile, the roles and the scopes that they grant now"""
    profile = actions.users.profile(caller().id)
    return asdict(profile.user) | {"scopes": list(profile.scopes)}


@operations.get("/me/personal-access-tokens", page_schema(TokenSchema), query=TokenQuery)
def list_my_tokens(actions: Actions, query: dict[str, Any]) -> Any:
    """List the user's own tokens"""
    return answer_page(actions.personal_access_tokens.page(caller().id, **query))


@operations.post("/me/personal-access-tokens", MadeTokenSchema, body=NewTokenSchema)
def create_my_token(actions: Actions, new: NewToken) -> Any:
    """Create a token of scopes that the roles grant now; its secret is answered once"""
    token, issued = actions.personal_access_tokens.create(caller(), caller().id, new)
    return answer_created(actions, add_secret(token, token=issued.token), f"/me/personal-access-tokens/{token.id}")


@operations.get("/me/personal-access-tokens/<row:token_id>", TokenSchema)
def get_my_token(actions: Actions, token_id: str) -> Any:
    """Show one of the user's own tokens"""
    return actions.personal_access_tokens.get(caller().id, token_id)


@operations.patch("/me/personal-access-tokens/<row:token_id>", TokenSchema, body=TokenChangesSchema)
def change_my_token(actions: Actions, changes: TokenChanges, token_id: str) -> Any:
    """Change the name or the description of a token"""
    return actions.personal_access_tokens.change(caller(), caller().id, token_id, changes)


@operations.delete("/me/personal-access-tokens/<row:token_id>")
def revoke_my_token(actions: Actions, token_id: str) -> None:
    """Revoke a token; it stays listed"""
    actions.personal_access_tokens.revoke(caller(), caller().id, token_id)


@operations.post(
    "/me/personal-access-tokens/<row:token_id>/regenerate",
    MadeTokenSchema,
    body=NothingSchema,
    body_required=False,
    status=200,
)
def regenerate_my_token(actions: Actions, _nothing: dict[str, Any], token_id: str) -> Any:
    """Issue a new secret with a new expiry for a token; the old secret ends at once"""
    token, issued = actions.personal_access_tokens.regenerate(caller(), caller().id, token_id)
    return add_secret(token, token=issued.token)
