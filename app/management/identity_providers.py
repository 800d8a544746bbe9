"""/identity-providers: the OpenID providers at which users sign in; the settings file's are only shown."""

from __future__ import annotations

from typing import Any

from app.actions.directory.identity_provider_records import (
    IdentityProviderChanges,
    IdentityProviderView,
    NewIdentityProvider,
)
from app.compose import Actions
from app.management.authorization import caller
from app.management.blueprint import Operations, answer_created
from app.management.paging import PageQuery, answer_page, page_schema
from app.management.schemas import answer_schema, request_schema

operations = Operations("identity-providers", "Identity providers at which users sign in")

IdentityProviderSchema = answer_schema(IdentityProviderView)
NewIdentityProviderSchema = request_schema(NewIdentityProvider)
IdentityProviderChangesSchema = request_schema(IdentityProviderChanges)


@operations.get("/identity-providers", page_schema(IdentityProviderSchema), query=PageQuery)
def list_identity_providers(actions: Actions, query: dict[str, Any]) -> Any:
    """List the identity providers, the settings file's first"""
    return answer_page(actions.federation.manage.page(**query))


@operations.post("/identity-providers", IdentityProviderSchema, body=NewIdentityProviderSchema)
def create_identity_provider(actions: Actions, new: NewIdentityProvider) -> Any:
    """Add an identity provider, with the client secret that it gave us or with private_key_jwt"""
    made = actions.federation.manage.create(caller(), new)
    return answer_created(actions, made, f"/identity-providers/{made.id}")


@operations.get("/identity-providers/<row:provider_id>", IdentityProviderSchema)
def get_identity_provider(actions: Actions, provider_id: str) -> Any:
    """Show an identity provider, never its client secret"""
    return actions.federation.manage.get(provider_id)


@operations.patch("/identity-providers/<row:provider_id>", IdentityProviderSchema, body=IdentityProviderChangesSchema)
def change_identity_provider(actions: Actions, changes: IdentityProviderChanges, provider_id: str) -> Any:
    """Change an identity provider; disabling it ends the sign-ins that began there"""
    return actions.federation.manage.change(caller(), provider_id, changes)


@operations.delete("/identity-providers/<row:provider_id>")
def delete_identity_provider(actions: Actions, provider_id: str) -> None:
    """Delete an identity provider, with the roles that it gives; the links of users stay"""
    actions.federation.manage.delete(caller(), provider_id)
