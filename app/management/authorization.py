"""Authorize each operation by one table; an operation that is not in it is refused to everybody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from functools import partial
from typing import cast

from flask import Flask, g, request

from app.actions.audit.actor import Actor, anonymous
from app.compose import Actions
from app.errors import Forbidden
from app.http import bearer_refusals
from app.http.bearer import authenticate_bearer
from app.http.request import read_request
from app.management.authentication import authenticate_optionally, authenticate_owner
from app.management.blueprint import PREFIX

OPEN_TO_APPS = ("resources", "roles", "users", "audit")  # the nouns of scopes; the others are of credentials
OF_CREDENTIALS = (  # by a noun that is open to apps
    "POST /users/{user_id}/links",
    "DELETE /users/{user_id}/factors",
    "GET /users/{user_id}/identities",
    "POST /users/{user_id}/identities",
    "GET /users/{user_id}/identities/{identity_id}",
    "DELETE /users/{user_id}/identities/{identity_id}",
)
VARIABLE = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")


class Access(Enum):
    """How an operation is opened without a scope."""

    ANYONE = "no authentication"
    VISITOR = "no authentication, or a credential for what needs one"
    OWNER = "the user, by username and password or signed in with a browser"
    OWNER_READS = "the user, by username and password, signed in with a browser, or by a personal access token"


TABLE: Mapping[str, str | Access] = {
    "GET /openapi.json": Access.ANYONE,
    "GET /resources": "resources:read",
    "POST /resources": "resources:write",
    "GET /resources/{resource_id}": "resources:read",
    "PATCH /resources/{resource_id}": "resources:write",
    "DELETE /resources/{resource_id}": "resources:write",
    "GET /resources/{resource_id}/permissions": "resources:read",
    "POST /resources/{resource_id}/permissions": "resources:write",
    "GET /resources/{resource_id}/permissions/{name}": "resources:read",
    "PATCH /resources/{resource_id}/permissions/{name}": "resources:write",
    "DELETE /resources/{resource_id}/permissions/{name}": "resources:write",
    "GET /roles": "roles:read",
    "POST /roles": "roles:write",
    "GET /roles/{role_id}": "roles:read",
    "PATCH /roles/{role_id}": "roles:write",
    "DELETE /roles/{role_id}": "roles:write",
    "GET /users": "users:read",
    "POST /users": "users:write",
    "GET /users/{user_id}": "users:read",
    "PATCH /users/{user_id}": "users:write",
    "DELETE /users/{user_id}": "users:write",
    "POST /users/{user_id}/links": "users:write",
    "DELETE /users/{user_id}/factors": "users:write",
    "GET /users/{user_id}/identities": "users:read",
    "POST /users/{user_id}/identities": "users:write",
    "GET /users/{user_id}/identities/{identity_id}": "users:read",
    "DELETE /users/{user_id}/identities/{identity_id}": "users:write",
    "GET /users/{user_id}/personal-access-tokens": "tokens:read",
    "POST /users/{user_id}/personal-access-tokens": "tokens:write",
    "GET /users/{user_id}/personal-access-tokens/{token_id}": "tokens:read",
    "DELETE /users/{user_id}/personal-access-tokens/{token_id}": "tokens:write",
    "GET /users/{user_id}/apps": "tokens:read",
    "DELETE /users/{user_id}/apps/{app_id}": "tokens:write",
    "GET /clients": "clients:read",
    "POST /clients": "clients:write",
    "GET /clients/{row_id}": "clients:read",
    "PATCH /clients/{row_id}": "clients:write",
    "DELETE /clients/{row_id}": "clients:write",
    "GET /clients/{row_id}/secrets": "clients:read",
    "POST /clients/{row_id}/secrets": "clients:write",
    "GET /clients/{row_id}/secrets/{secret_id}": "clients:read",
    "DELETE /clients/{row_id}/secrets/{secret_id}": "clients:write",
    "GET /clients/{row_id}/federated-credentials": "clients:read",
    "POST /clients/{row_id}/federated-credentials": "clients:write",
    "GET /clients/{row_id}/federated-credentials/{credential_id}": "clients:read",
    "DELETE /clients/{row_id}/federated-credentials/{credential_id}": "clients:write",
    "GET /clients/{row_id}/grants": "tokens:read",
    "DELETE /clients/{row_id}/grants/{grant_id}": "tokens:write",
    "GET /api-keys": "api-keys:read",
    "POST /api-keys": "api-keys:write",
    "GET /api-keys/{key_id}": "api-keys:read",
    "PATCH /api-keys/{key_id}": "api-keys:write",
    "DELETE /api-keys/{key_id}": "api-keys:write",
    "POST /api-keys/{key_id}/rotate": "api-keys:write",
    "GET /signing-keys": "keys:read",
    "POST /signing-keys/rotate": "keys:write",
    "DELETE /signing-keys/{kid}": "keys:write",
    "GET /identity-providers": "identity-providers:read",
    "POST /identity-providers": "identity-providers:write",
    "GET /identity-providers/{provider_id}": "identity-providers:read",
    "PATCH /identity-providers/{provider_id}": "identity-providers:write",
    "DELETE /identity-providers/{provider_id}": "identity-providers:write",
    "GET /webhooks": "manage",
    "POST /webhooks": "manage",
    "GET /webhooks/{webhook_id}": "manage",
    "PATCH /webhooks/{webhook_id}": "manage",
    "DELETE /webhooks/{webhook_id}": "manage",
    "POST /webhooks/{webhook_id}/rotate-secret": "manage",
    "POST /webhooks/{webhook_id}/test": "manage",
    "GET /webhooks/{webhook_id}/deliveries": "manage",
    "GET /audit-events": "audit:read",
    "GET /credentials": "tokens:read",
    "GET /usage": "tokens:read",
    "POST /credentials/revoke": Access.ANYONE,
    "POST /credentials/revoke-many": "tokens:write",
    "POST /credentials/inspect": "tokens:read",
    "GET /comparison": Access.VISITOR,
    "GET /me": Access.OWNER_READS,
    "GET /me/personal-access-tokens": Access.OWNER,
    "POST /me/personal-access-tokens": Access.OWNER,
    "GET /me/personal-access-tokens/{token_id}": Access.OWNER,
    "PATCH /me/personal-access-tokens/{token_id}": Access.OWNER,
    "DELETE /me/personal-access-tokens/{token_id}": Access.OWNER,
    "POST /me/personal-access-tokens/{token_id}/regenerate": Access.OWNER,
    "GET /me/apps": Access.OWNER,
    "GET /me/apps/{app_id}": Access.OWNER,
    "DELETE /me/apps/{app_id}": Access.OWNER,
    "GET /me/usage": Access.OWNER,
}


def register(app: Flask, actions: Actions) -> None:
    """Check every request below PREFIX against the table before its query or body is read."""
    app.before_request(partial(_admit, actions))
    bearer_refusals.register(app, actions, PREFIX)


def caller() -> Actor:
    """Return the caller of this request, as it was authenticated."""
    return cast(Actor, g.actor)


def operation_name(method: str, rule: str) -> str:
    """Return the name of an operation in the table; HEAD is GET without the body."""
    path = VARIABLE.sub(r"{\1}", rule.removeprefix(PREFIX))
    return f"{'GET' if method == 'HEAD' else method} {path}"


def _admit(actions: Actions) -> None:
    rule = request.url_rule
    if rule is None or not rule.rule.startswith(f"{PREFIX}/"):
        return
    name = operation_name(request.method, rule.rule)
    needed = TABLE.get(name)
    if needed is None:
        raise Forbidden("nobody may do this")
    g.takes_passwords = needed in (Access.OWNER, Access.OWNER_READS)
    g.actor = _authenticate(actions, needed, apps=name not in OF_CREDENTIALS)


def _authenticate(actions: Actions, needed: str | Access, *, apps: bool) -> Actor:
    if needed is Access.ANYONE:
        context = read_request(request, actions.settings, actions.clock)
        return anonymous(context.peer, context.id)
    if needed is Access.VISITOR:
        return authenticate_optionally(actions)
    if isinstance(needed, Access):
        return authenticate_owner(actions, reading=needed is Access.OWNER_READS)
    return authenticate_bearer(actions, needed, apps=apps and needed.partition(":")[0] in OPEN_TO_APPS)
