"""/users/{id}/identities: the accounts at identity providers with which a user signs in."""

from __future__ import annotations

from typing import Any

from app.actions.directory.identity_provider_records import IdentityLinkView, NewIdentityLink
from app.compose import Actions
from app.management.authorization import caller
from app.management.blueprint import Operations, answer_created
from app.management.paging import PageQuery, answer_page, page_schema
from app.management.schemas import answer_schema, request_schema

operations = Operations("identities", "Users' accounts at identity providers, with which they sign in")

IdentityLinkSchema = answer_schema(IdentityLinkView)
NewIdentityLinkSchema = request_schema(NewIdentityLink)


@operations.get("/users/<row:user_id>/identities", page_schema(IdentityLinkSchema), query=PageQuery)
def list_identities(actions: Actions, query: dict[str, Any], user_id: str) -> Any:
    """List the accounts at identity providers that are linked to a user"""
    return answer_page(actions.federation.links.page(user_id, **query))


@operations.post("/users/<row:user_id>/identities", IdentityLinkSchema, body=NewIdentityLinkSchema)
def link_identity(actions: Actions, new: NewIdentityLink, user_id: str) -> Any:
    """Link an account at an identity provider to another user, who signs in with it then"""
    linked = actions.federation.links.create(caller(), user_id, new)
    return answer_created(actions, linked, f"/users/{user_id}/identities/{linked.id}")


@operations.get("/users/<row:user_id>/identities/<row:identity_id>", IdentityLinkSchema)
def get_identity(actions: Actions, user_id: str, identity_id: str) -> Any:
    """Show an account that is linked to a user"""
    return actions.federation.links.get(user_id, identity_id)


@operations.delete("/users/<row:user_id>/identities/<row:identity_id>")
def unlink_identity(actions: Actions, user_id: str, identity_id: str) -> None:
    """Unlink an account, with the roles that its provider gave, and end the user's sign-ins"""
    actions.federation.links.end_for(caller(), user_id, identity_id)
