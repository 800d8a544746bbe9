"""Example values of the API's description: a bookshop, whose objects refer to each other. A test sends the requests.

What a schema holds is said once, under its name; a page, or an object with its secret, is made of it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from app.actions.tokens.refusals import WORDS
from app.credentials.reasons import Reason
from app.http import bookshop as shop
from app.maintenance.demo import STOCK

AT, LATER, NEVER = "2030-01-01T12:00:00Z", "2030-12-31T23:59:59Z", None
PASSWORD = "correct horse battery staple"  # noqa: S105 - of the example user
RESOURCE_ID, ROLE_ID = "res_019dfae0b1d20c5a7e93f1b8d462", "role_019dfae0b91147c3a0d5e2f6b817"
ROW_ID, SECRET_ID = shop.CLIENT_ID, "sec_019dfae0c8f0a14b7d2e9c5f3061"
ISSUED = {"created_at": AT, "status": "active", "revoked_at": None, "revoked_reason": None}
COUNT = {"name": "stock:count", "description": "count what is there", "public": False}
RATE = {"requests": 600, "window_seconds": 60}
ADDRESS = "192.0.2.7"

USER = {
    "username": shop.USERNAME,
    "email": "alice@bookshop.example",
    "display_name": "Alice Bell",
    "enabled": True,
    "roles": ["bookseller"],
}
TOKEN = {"name": "laptop", "description": "for scripts", "scopes": [shop.READ]}
RESOURCE = {
    "identifier": STOCK,
    "name": "Stock",
    "access_token_ttl": 600,
    "permissions": [
        {"name": shop.READ, "description": "see what is there", "public": True},
        {"name": shop.WRITE, "description": "book arrivals", "public": False},
    ],
}
ROLE = {
    "name": "warehouse",
    "type": "machine",
    "description": "sends what was ordered",
    "permissions": [shop.READ, shop.WRITE],
}
CLIENT = {
    "name": "Warehouse robot",
    "token_endpoint_auth_method": "client_secret_basic",
    "roles": ["warehouse"],
    "serves": [STOCK],
    "enabled": True,
    "dpop_bound_access_tokens": False,
    "tls_client_certificate_bound_access_tokens": False,
    "grant_types": ["client_credentials"],
    "redirect_uris": [],
    "scopes": None,
    "logo_uri": None,
    "client_uri": None,
    "policy_uri": None,
}
FEDERATED = {
    "name": "GitHub Actions",
    "issuer": shop.FOREIGN_ISSUER,
    "subject": shop.FOREIGN_SUBJECT,
    "claims": {"repository_owner": "bookshop"},
}
KEY = {
    "name": "Shop window",
    "resource": STOCK,
    "scopes": [shop.READ],
    "expires_at": LATER,
    "rate_limit": RATE,
    "allowed_ips": ["192.0.2.0/24"],
    "enabled": True,
}
SECRET = {"name": "second", "expires_at": LATER}
APP_ID, GRANT_ID = "cli_019dfae0d2a7b1c84f60e93d5a18", "grt_019dfae0d36c02e7f5b8a14c9d20"
APP = {
    "client_id": "lkc_6f1d0a92c4e75b38",
    "name": "Bookworm",
    "client_uri": "https://bookworm.example",
    "logo_uri": "https://bookworm.example/logo.png",
    "policy_uri": "https://bookworm.example/privacy",
    "registered_by": "operator",
}
WEBHOOK_ID = "whk_019dfae0d4b8c61e2f7a90d3b514"
WEBHOOK = {
    "url": "https://hooks.bookshop.example/latchkey",
    "name": "Pager",
    "events": ["credential.leaked", "credential.report_leak"],
}
PROVIDER_ID = "idp_019dfae0d6e1a47c2b905f83c1d4"
PROVIDER = {
    "name": "Bookshop accounts",
    "issuer": "https://accounts.bookshop.example",
    "client_id": "latchkey",
    "private_key_jwt": False,
    "scopes": ["openid", "profile", "email"],
    "username_claim": "preferred_username",
    "groups_claim": "groups",
    "roles": {"staff": ["bookseller"]},
    "create_users": True,
    "required_claims": {"employee": True},
    "enabled": True,
}
SUBJECT = {f"tls_client_auth_{name}": None for name in ("subject_dn", "san_dns", "san_uri", "san_ip", "san_email")}

OBJECTS: dict[str, Any] = {
    "Resource": RESOURCE | {"id": RESOURCE_ID, "built_in": False, "created_at": AT},
    "NewResource": RESOURCE,
    "ResourceChanges": {"name": "Stock", "access_token_ttl": 300},
    "Permission": COUNT,
    "NewPermission": COUNT,
    "PermissionChanges": {"description": "count the books", "public": True},
    "Role": ROLE | {"id": ROLE_ID, "provisioned": False, "created_at": AT},
    "NewRole": ROLE,
    "RoleChanges": {"description": "sends and books", "permissions": [shop.READ, shop.WRITE]},
    "User": USER | {"id": shop.USER_ID, "provided_roles": [], "created_at": AT},
    "NewUser": USER | {"password": PASSWORD},
    "UserChanges": {"display_name": "Alice Bell-Stone", "enabled": True},
    "NewLink": {"purpose": "invitation"},
    "MadeLink": {
        "id": "lnk_01f3a9c2b7e8d4f6a1b2c3d4e5f60718",
        "purpose": "invitation",
        "expires_at": AT,
        "sent_to": USER["email"],
        "url": None,
    },
    "NewIdentityLink": {"provider": PROVIDER_ID, "subject": "248289761001"},
    "IdentityLink": {"id": "lnk_019dfae0d7f3b25c8e41a60d92b7", "issuer": PROVIDER["issuer"], "subject": "248289761001"}
    | {"provider": PROVIDER["name"], "created_at": AT, "last_used_at": AT},
    "Profile": USER | {"id": shop.USER_ID, "provided_roles": [], "created_at": AT, "scopes": [shop.READ]},
    "Token": TOKEN
    | ISSUED
    | {"id": shop.TOKEN_ID, "hint": shop.HINTS[shop.PERSONAL_TOKEN], "expires_at": LATER, "last_used_at": None},
    "NewToken": TOKEN | {"expires_in": 2_592_000},
    "TokenChanges": {"name": "desktop"},
    "Client": CLIENT
    | SUBJECT
    | {"id": ROW_ID, "client_id": shop.CLIENT_ID, "jwks": None, "jwks_uri": None, "created_at": AT}
    | {"registered_by": "operator"},
    "NewClient": CLIENT,
    "ClientChanges": {"name": "Warehouse robot 2", "roles": ["warehouse"]},
    "ClientSecret": SECRET | ISSUED | {"id": SECRET_ID, "hint": shop.HINTS[shop.SECOND_CLIENT_SECRET]},
    "NewClientSecret": SECRET,
    "FederatedCredential": FEDERATED
    | {"id": "fed_019dfae0ca31e8b70d94c5a2f617", "audience": shop.ISSUER, "created_at": AT}
    | {"jwks": None, "jwks_uri": None},
    "NewFederatedCredential": FEDERATED,
    "Key": KEY | ISSUED | {"id": shop.KEY_ID, "hint": shop.HINTS[shop.API_KEY], "last_used_at": None},
    "NewKey": KEY,
    "KeyChanges": {"name": "Shop windows", "rate_limit": RATE},
    "Overlap": {"overlap_seconds": 3600},
    "App": APP
    | {"id": APP_ID, "scopes": [shop.READ], "created_at": AT, "last_used_at": None, "suspected_at": None, "grants": 1},
    "Grant": {
        "id": GRANT_ID,
        "user_id": shop.USER_ID,
        "username": shop.USERNAME,
        "client_id": APP["client_id"],
        "client_name": APP["name"],
        "scopes": [shop.READ],
        "resources": [STOCK],
        "created_at": AT,
        "expires_at": LATER,
        "last_used_at": None,
        "status": "active",
        "revoked_at": None,
        "revoked_reason": None,
    },
    "Webhook": WEBHOOK
    | {"id": WEBHOOK_ID, "enabled": True, "status": "active", "disabled_reason": None}
    | {"created_at": AT, "delivered_at": AT, "failing_since": None},
    "NewWebhook": WEBHOOK,
    "WebhookChanges": {"events": ["*"], "enabled": True},
    "IdentityProvider": PROVIDER
    | {"id": PROVIDER_ID, "from_file": False, "created_at": AT}
    | {"redirect_uri": f"{shop.ISSUER}/login/callback/{PROVIDER_ID}"}
    | {"backchannel_logout_uri": f"{shop.ISSUER}/login/backchannel-logout/{PROVIDER_ID}"},
    "NewIdentityProvider": PROVIDER | {"client_secret": "what the provider gave us"},
    "IdentityProviderChanges": {"name": "Accounts", "create_users": False},
    "SecretOverlap": {"overlap_seconds": 86_400},
    "Delivery": {
        "id": "msg_019dfae0d5c2f48e1b6a73d09e25",
        "type": "credential.report_leak",
        "status": "delivered",
        "created_at": AT,
        "attempts": 1,
        "next_attempt_at": None,
        "ended_at": AT,
        "result": "delivered: HTTP 204",
    },
    "SigningKey": {"kid": shop.SIGNING_KEY_ID, "alg": "ES256", "status": "active", "created_at": AT}
    | {"retires_at": None},
    "Rotation": {"only_when_known": False},
    "AuditEvent": {
        "id": "42",
        "at": AT,
        "actor_type": "client",
        "actor": shop.CLIENT_ID,
        "actor_name": "Warehouse robot",
        "action": "api_key.created",
        "target_type": "api_key",
        "target": shop.KEY_ID,
        "address": ADDRESS,
        "request_id": "5f0c1b7d52e8a0c64f9b1d3a",
        "details": {"name": "Shop window"},
        "previous_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "hash": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    },
    "Credential": ISSUED
    | {"id": shop.TOKEN_ID, "kind": "personal_access_token", "name": "laptop"}
    | {"hint": shop.HINTS[shop.PERSONAL_TOKEN], "expires_at": LATER, "last_used_at": None}
    | {"owner_type": "user", "owner_id": shop.USER_ID, "owner_name": shop.USERNAME}
    | {"scopes": [shop.READ], "resources": [STOCK]},
    "UsageRow": {
        "group": "2030-01-01T00:00:00Z",
        "uses": 1200,
        "refusals": 3,
        "last_used_at": AT,
        "last_address": "192.0.2.0/24",
        "last_server": shop.CLIENT_ID,
    },
    "CredentialIds": {"ids": [shop.TOKEN_ID]},
    "Revoked": {"revoked": 1},
    "Leak": {"credentials": [shop.PERSONAL_TOKEN, shop.API_KEY]},
    "Accepted": {},
    "Presented": {"credential": shop.PERSONAL_TOKEN, "resource": STOCK, "scope": "stock:write"},
    "Inspection": {
        "status": "active",
        "reason": "insufficient_scope",
        "credential_type": "personal_access_token",
        "id": shop.TOKEN_ID,
        "name": "laptop",
        "hint": shop.HINTS[shop.PERSONAL_TOKEN],
        "owner_type": "user",
        "owner_id": shop.USER_ID,
        "owner_name": shop.USERNAME,
        "created_at": AT,
        "expires_at": LATER,
        "revoked_at": None,
        "exchanged": False,
        "refusal": {"reason": "insufficient_scope", "text": WORDS[Reason.INSUFFICIENT_SCOPE]},
    },
    "Refusal": {"reason": "insufficient_scope", "text": WORDS[Reason.INSUFFICIENT_SCOPE]},
    "Comparison": {
        "issuer": shop.ISSUER,
        "at": AT,
        "via": shop.ISSUER,
        "columns": [{"name": "pat", "title": "Personal access token"}],
        "rows": [
            {"name": "represents", "title": "Represents", "measured": False, "source": "contract, section 1"}
            | {"cells": {"pat": {"text": "a user", "value": None, "agrees": None}}}
        ],
        "contradictions": [],
    },
    "Nothing": {},
}
OBJECTS |= {
    "MadeToken": OBJECTS["Token"] | {"token": shop.PERSONAL_TOKEN},
    "MadeKey": OBJECTS["Key"] | {"key": shop.API_KEY},
    "MadeClient": OBJECTS["Client"] | {"client_secret": shop.CLIENT_SECRET},
    "MadeWebhook": OBJECTS["Webhook"] | {"secret": shop.WEBHOOK_SECRET},
    "MadeClientSecret": OBJECTS["ClientSecret"] | {"client_secret": shop.SECOND_CLIENT_SECRET},
}
PARAMETERS: dict[str, Any] = {
    "resource_id": RESOURCE_ID,
    "role_id": ROLE_ID,
    "user_id": shop.USER_ID,
    "token_id": shop.TOKEN_ID,
    "row_id": ROW_ID,
    "secret_id": SECRET_ID,
    "credential_id": OBJECTS["FederatedCredential"]["id"],
    "key_id": shop.KEY_ID,
    "kid": shop.SIGNING_KEY_ID,
    "app_id": APP_ID,
    "grant_id": GRANT_ID,
    "webhook_id": WEBHOOK_ID,
    "provider_id": PROVIDER_ID,
    "identity_id": OBJECTS["IdentityLink"]["id"],
    "limit": 20,
    "status": "active",
    "resource": STOCK,
    "identifier": STOCK,
    "username": shop.USERNAME,
    "email": USER["email"],
    "client_id": shop.CLIENT_ID,
    "type": "machine",
    "actor": shop.CLIENT_ID,
    "action": "api_key.created",
    "target": shop.KEY_ID,
    "since": AT,
    "until": LATER,
    "run": False,
    "credential": shop.TOKEN_ID,
    "group_by": "day",
}
NAMES = {"/roles": "warehouse", "/permissions/{name}": "stock:count"}  # of `name`, by the end of the path
PROBLEM_FIELDS = [{"field": "name", "message": "Missing data for required field."}]


def example_of(schema: str) -> Any:
    """Return the example of a schema, by its name in the description; None if there is none."""
    whole = OBJECTS.get(schema.removesuffix("Page"))
    return {"items": [whole], "next_cursor": None} if whole is not None and schema.endswith("Page") else whole


def example_parameter(path: str, name: str) -> Any:
    """Return the example of a parameter; None if there is none, as for a cursor, which only an answer gives."""
    return PARAMETERS.get(name, next((v for end, v in NAMES.items() if name == "name" and path.endswith(end)), None))


def example_problem(status: int, detail: str) -> dict[str, Any]:
    """Return the example of a refusal."""
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return problem | ({"errors": PROBLEM_FIELDS} if status == HTTPStatus.UNPROCESSABLE_ENTITY else {})
