"""Who may do what here: one table, and what is not in it nobody may do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import cast

from flask import Flask, g, request

from app.actions.audit.actor import Actor, anonymous
from app.errors import Forbidden
from app.http.current import actions
from app.http.request import read_request
from app.management.authentication import by_bearer, by_owner, by_visitor
from app.management.blueprint import PREFIX

VARIABLE = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")


class Door(Enum):
    """Who comes in without a scope."""

    ANYONE = "no authentication"
    VISITOR = "no authentication, or a credential for what needs one"
    OWNER = "the user, by username and password or signed in with a browser"
    OWNER_READS = "the user, by username and password, signed in with a browser, or by a personal access token"


TABLE: Mapping[str, str | Door] = {
    "GET /openapi.json": Door.ANYONE,
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
    "GET /users/{user_id}/personal-access-tokens": "tokens:read",
    "POST /users/{user_id}/personal-access-tokens": "tokens:write",
    "GET /users/{user_id}/personal-access-tokens/{token_id}": "tokens:read",
    "DELETE /users/{user_id}/personal-access-tokens/{token_id}": "tokens:write",
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
    "GET /api-keys": "api-keys:read",
    "POST /api-keys": "api-keys:write",
    "GET /api-keys/{key_id}": "api-keys:read",
    "PATCH /api-keys/{key_id}": "api-keys:write",
    "DELETE /api-keys/{key_id}": "api-keys:write",
    "POST /api-keys/{key_id}/rotate": "api-keys:write",
    "GET /signing-keys": "keys:read",
    "POST /signing-keys/rotate": "keys:write",
    "DELETE /signing-keys/{kid}": "keys:write",
    "GET /audit-events": "audit:read",
    "POST /credentials/revoke": Door.ANYONE,
    "POST /credentials/inspect": "tokens:read",
    "GET /comparison": Door.VISITOR,
    "GET /me": Door.OWNER_READS,
    "GET /me/personal-access-tokens": Door.OWNER,
    "POST /me/personal-access-tokens": Door.OWNER,
    "GET /me/personal-access-tokens/{token_id}": Door.OWNER,
    "PATCH /me/personal-access-tokens/{token_id}": Door.OWNER,
    "DELETE /me/personal-access-tokens/{token_id}": Door.OWNER,
    "POST /me/personal-access-tokens/{token_id}/regenerate": Door.OWNER,
}


def register(app: Flask) -> None:
    """Let every request below PREFIX pass the table before anything of it is read."""
    app.before_request(_admit)


def caller() -> Actor:
    """Give who was let in."""
    return cast(Actor, g.actor)


def operation(method: str, rule: str) -> str:
    """Name an operation as the table does; HEAD is GET without the body."""
    path = VARIABLE.sub(r"{\1}", rule.removeprefix(PREFIX))
    return f"{'GET' if method == 'HEAD' else method} {path}"


def _admit() -> None:
    rule = request.url_rule
    if rule is None or not rule.rule.startswith(f"{PREFIX}/"):
        return
    needed = TABLE.get(operation(request.method, rule.rule))
    if needed is None:
        raise Forbidden("nobody may do this")
    g.takes_passwords = needed in (Door.OWNER, Door.OWNER_READS)
    g.actor = _let_in(needed)


def _let_in(needed: str | Door) -> Actor:
    if needed is Door.ANYONE:
        context = read_request(request, actions().settings, actions().clock)
        return anonymous(context.peer, context.id)
    if needed is Door.VISITOR:
        return by_visitor()
    if isinstance(needed, Door):
        return by_owner(reading=needed is Door.OWNER_READS)
    return by_bearer(needed)
