"""/users/{id}/personal-access-tokens: an operator creates, lists and revokes a user's tokens."""

from __future__ import annotations

from typing import Any

from app.actions.directory.personal_access_tokens import NewToken
from app.compose import Actions
from app.management.authorization import caller
from app.management.blueprint import Operations, add_secret, answer_created
from app.management.paging import answer_page, page_schema
from app.management.token_schemas import MadeTokenSchema, NewTokenSchema, TokenQuery, TokenSchema

operations = Operations("personal-access-tokens", "Users' personal access tokens, as an operator sees them")


@operations.get("/users/<row:user_id>/personal-access-tokens", page_schema(TokenSchema), query=TokenQuery)
def list_tokens(actions: Actions, query: dict[str, Any], user_id: str) -> Any:
    """List a user's tokens"""
    return answer_page(actions.personal_access_tokens.page(user_id, **query))


@operations.post("/users/<row:user_id>/personal-access-tokens", MadeTokenSchema, body=NewTokenSchema)
def create_token(actions: Actions, new: NewToken, user_id: str) -> Any:
    """Make a token for a user; its secret is answered once"""
    token, issued = actions.personal_access_tokens.create(caller(), user_id, new)
    return answer_created(
        actions, add_secret(token, token=issued.token), f"/users/{user_id}/personal-access-tokens/{token.id}"
    )


@operations.get("/users/<row:user_id>/personal-access-tokens/<row:token_id>", TokenSchema)
def get_token(actions: Actions, user_id: str, token_id: str) -> Any:
    """Show a user's token"""
    return actions.personal_access_tokens.get(user_id, token_id)


@operations.delete("/users/<row:user_id>/personal-access-tokens/<row:token_id>")
def revoke_token(actions: Actions, user_id: str, token_id: str) -> None:
    """Revoke a user's token; it stays listed"""
    actions.personal_access_tokens.revoke(caller(), user_id, token_id)
