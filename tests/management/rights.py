"""The cases of the matrix of rights: what each operation is tried on, a plain object and ones with more rights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.core import ORDERS
from tests.management.face import OWN, PASSWORD
from tests.management.scene import FEDERATED, HOOK, KEYED, Scene, linking, provider_of, unique

Made = str | tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One thing to try an operation on. `carries`: more of this API's scopes than the finer scope's holder has."""

    label: str
    target: Callable[[Scene], Made] = lambda scene: ()
    body: Callable[[Scene], Any] = lambda scene: None
    carries: bool = False
    missing: str = "manage"  # the scope that the refusal of what carries more names
    credential: bool = False  # a personal access token never makes one, whatever it holds
    built_in: bool = False  # not even `manage` changes this: 409
    query: Callable[[Scene], str] = lambda scene: ""

    def request(self, scene: Scene, name: str) -> tuple[str, str, Any]:
        """Return method, path and body."""
        method, template = name.split(" ")
        made = self.target(scene)
        path, rest = template, [made] if isinstance(made, str) else list(made)
        while "{" in path:
            path = path[: path.index("{")] + rest.pop(0) + path[path.index("}") + 1 :]
        return method, path + self.query(scene), self.body(scene)


def clients(label: str, more: Any = None, **kept: Any) -> list[Case]:
    """Return the cases of an operation on a client, or on what hangs on one, which `more` makes."""

    def on(*scopes: str, **serves: Any) -> Callable[[Scene], Made]:
        return lambda s: more(s, s.client(*scopes, **serves)) if more else s.client(*scopes, **serves)

    return [
        Case(f"{label} of a plain client", on("orders:read"), **kept),
        Case(f"{label} of an administrator", on("manage"), carries=True, **kept),
        Case(f"{label} of one that reads users", on("users:read"), carries=True, **kept),
        Case(f"{label} of a server of this API", on(serves=[OWN]), carries=True, **kept),
    ]


def users(label: str, **kept: Any) -> list[Case]:
    """Return the cases of an operation on a user."""
    return [
        Case(f"{label} of a plain user", lambda s: s.user("orders:read"), **kept),
        Case(f"{label} of an administrator", lambda s: s.user("manage"), carries=True, **kept),
        Case(f"{label} of an auditor", lambda s: s.user("audit:read"), carries=True, **kept),
    ]


def giving(**body: Any) -> Callable[[Scene], Any]:
    """Return what sends this body."""
    return lambda scene: body


def new_role(type: str, permission: str) -> Callable[[Scene], Any]:
    """Return what sends a new role."""
    return lambda scene: {"name": unique("r"), "type": type, "permissions": [permission]}


CASES: dict[str, list[Case]] = {
    "POST /resources": [
        Case("a resource", body=lambda s: {"identifier": f"https://{unique('new')}.example", "name": "new"})
    ],
    "PATCH /resources/{resource_id}": [
        Case("a resource", Scene.resource, giving(name="renamed")),
        Case("this API", lambda s: s.own, giving(access_token_ttl=600), carries=True),
    ],
    "DELETE /resources/{resource_id}": [
        Case("a resource", Scene.resource),
        Case("this API", lambda s: s.own, built_in=True),
    ],
    "POST /resources/{resource_id}/permissions": [
        Case("a permission", Scene.resource, lambda s: {"name": unique("permission")}),
        Case("one of this API", lambda s: s.own, lambda s: {"name": unique("permission")}, built_in=True),
    ],
    "PATCH /resources/{resource_id}/permissions/{name}": [
        Case("a permission", Scene.permission, giving(public=True)),
        Case("one of this API", lambda s: (s.own, "audit:read"), giving(public=True), built_in=True),
    ],
    "DELETE /resources/{resource_id}/permissions/{name}": [
        Case("a permission", Scene.permission),
        Case("one of this API", lambda s: (s.own, "audit:read"), built_in=True),
    ],
    "POST /roles": [
        Case("a plain role", body=lambda s: {"name": unique("r"), "type": "user", "permissions": ["orders:read"]}),
        *(
            Case(
                f"a {t} role that gives {p}",
                body=new_role(t, p),
                carries=True,
            )
            for t in ("user", "machine")
            for p in ("manage", "roles:write", "introspect")
        ),
    ],
    "PATCH /roles/{role_id}": [
        Case("a plain role", lambda s: s.a_role("orders:read"), giving(permissions=["orders:write"])),
        Case("a plain role that gets more scopes", Scene.a_role, giving(permissions=["users:read"]), carries=True),
        Case(
            "an administrators' role renamed",
            lambda s: s.a_role("manage"),
            lambda s: {"name": unique("r")},
            carries=True,
        ),
        Case("an administrators' role emptied", lambda s: s.a_role("manage"), giving(permissions=[]), carries=True),
        Case("an auditors' role described", lambda s: s.a_role("audit:read"), giving(description="x"), carries=True),
    ],
    "DELETE /roles/{role_id}": [
        Case("a plain role", lambda s: s.a_role("orders:read")),
        Case("an administrators' role", lambda s: s.a_role("manage"), carries=True),
    ],
    "POST /users": [
        Case("a plain user", body=lambda s: {"username": unique("u"), "roles": [s.role("user", "orders:read")]}),
        Case("a user with a password", body=lambda s: {"username": unique("u"), "password": PASSWORD}, credential=True),
        Case(
            "an administrator",
            body=lambda s: {"username": unique("u"), "roles": [s.role("user", "manage")]},
            carries=True,
        ),
    ],
    "PATCH /users/{user_id}": [
        *users("the state", body=giving(enabled=False)),
        *users("the password", body=giving(password=PASSWORD + " again"), credential=True),
        *users("the name", body=lambda s: {"username": unique("u")}),
        *users("the address", body=lambda s: {"email": f"{unique('u')}@shop.example"}),
        *users("the roles", body=giving(roles=[])),
        Case("a plain user promoted", Scene.user, lambda s: {"roles": [s.role("user", "manage")]}, carries=True),
    ],
    "DELETE /users/{user_id}": users("the deletion"),
    "POST /users/{user_id}/links": users("a link", body=giving(purpose="reset"), credential=True),
    "DELETE /users/{user_id}/factors": [
        Case("of a plain user", lambda s: s.user_with_factor("orders:read"), credential=True),
        Case("of an administrator", lambda s: s.user_with_factor("manage"), carries=True, credential=True),
        Case("of an auditor", lambda s: s.user_with_factor("audit:read"), carries=True, credential=True),
    ],
    "POST /users/{user_id}/identities": [
        *users("an account", body=lambda s: linking(s), credential=True),
        Case("one of an administrators' provider", Scene.user, lambda s: linking(s, "manage"), True, credential=True),
    ],
    "DELETE /users/{user_id}/identities/{identity_id}": [
        Case("of a plain user", lambda s: s.identity("orders:read"), credential=True),
        Case("of an administrator", lambda s: s.identity("manage"), carries=True, credential=True),
        Case("of an auditor", lambda s: s.identity("audit:read"), carries=True, credential=True),
    ],
    "POST /users/{user_id}/personal-access-tokens": [
        Case(
            "a plain token", lambda s: s.user("orders:read"), giving(name="x", scopes=["orders:read"]), credential=True
        ),
        Case(
            "a token with manage",
            lambda s: s.user("manage"),
            giving(name="x", scopes=["manage"]),
            carries=True,
            credential=True,
        ),
    ],
    "DELETE /users/{user_id}/personal-access-tokens/{token_id}": [
        Case("a plain token", lambda s: s.pat("orders:read")),
        Case("an administrator's token", lambda s: s.pat("manage"), carries=True),
        Case("an auditor's token", lambda s: s.pat("audit:read"), carries=True),
    ],
    "POST /clients": [
        Case("a plain client", body=lambda s: {"name": unique("c"), "serves": [ORDERS]}, credential=True),
        Case(
            "an administrator",
            body=lambda s: {"name": unique("c"), "roles": [s.role("machine", "manage")]},
            carries=True,
            credential=True,
        ),
        Case(
            "a server of this API",
            body=lambda s: {"name": unique("c"), "serves": [ORDERS, OWN]},
            carries=True,
            credential=True,
        ),
    ],
    "PATCH /clients/{row_id}": [
        *clients("the name", body=giving(name="renamed")),
        *clients("the state", body=giving(enabled=False)),
        *clients("the roles", body=giving(roles=[])),
        *clients("the resources served", body=giving(serves=[])),
        *clients("the method and key", body=giving(**KEYED), credential=True),
        *clients("a binding", body=giving(dpop_bound_access_tokens=True)),
        Case("a plain client promoted", Scene.client, lambda s: {"roles": [s.role("machine", "manage")]}, carries=True),
        Case("a plain client that gets to serve this API", Scene.client, giving(serves=[OWN]), carries=True),
    ],
    "DELETE /clients/{row_id}": clients("the deletion"),
    "POST /clients/{row_id}/secrets": clients("a secret", body=giving(name="another"), credential=True),
    "DELETE /clients/{row_id}/secrets/{secret_id}": clients("a secret", Scene.secret),
    "POST /clients/{row_id}/federated-credentials": clients("a trust", body=giving(**FEDERATED), credential=True),
    "DELETE /clients/{row_id}/federated-credentials/{credential_id}": clients("a trust", Scene.trust),
    "POST /api-keys": [Case("a key", body=lambda s: {"name": unique("key"), "resource": ORDERS}, credential=True)],
    "PATCH /api-keys/{key_id}": [Case("a key", Scene.key, giving(enabled=False))],
    "DELETE /api-keys/{key_id}": [Case("a key", Scene.key)],
    "POST /api-keys/{key_id}/rotate": [Case("a key", Scene.key, giving(overlap_seconds=0), credential=True)],
    "POST /identity-providers": [
        Case("a provider", body=lambda s: provider_of(s), credential=True),
        Case("one of administrators", body=lambda s: provider_of(s, "manage"), carries=True, credential=True),
    ],
    "PATCH /identity-providers/{provider_id}": [
        Case("a provider", Scene.provider, giving(create_users=True), credential=True),
        Case(
            "one of administrators",
            lambda s: s.provider("manage"),
            lambda s: {"name": unique("idp")},
            carries=True,
            credential=True,
        ),
        Case(
            "the roles",
            Scene.provider,
            lambda s: {"groups_claim": "g", "roles": {"a": [s.role("user", "manage")]}},
            carries=True,
            credential=True,
        ),
    ],
    "DELETE /identity-providers/{provider_id}": [
        Case("a provider", Scene.provider),
        Case("one of administrators", lambda s: s.provider("manage"), carries=True),
    ],
    "POST /webhooks": [Case("a webhook", body=giving(url=HOOK), credential=True)],
    "PATCH /webhooks/{webhook_id}": [Case("a webhook", Scene.webhook, giving(url=HOOK), credential=True)],
    "POST /webhooks/{webhook_id}/rotate-secret": [Case("a webhook", Scene.webhook, giving(), credential=True)],
    "POST /webhooks/{webhook_id}/test": [Case("a webhook", Scene.webhook)],
    "DELETE /webhooks/{webhook_id}": [Case("a webhook", Scene.webhook)],
    "POST /signing-keys/rotate": [Case("the signing key")],
    "DELETE /signing-keys/{kid}": [Case("the next one", Scene.next_signing_key, carries=True)],
    "DELETE /users/{user_id}/apps/{app_id}": [
        Case("an app of a plain user", Scene.app),
        Case("an app of an administrator", lambda s: s.app("manage")),
    ],
    "DELETE /clients/{row_id}/grants/{grant_id}": [Case("a grant", Scene.grant)],
    "POST /credentials/revoke-many": [
        Case("a plain token", body=lambda s: {"ids": [s.pat("orders:read")[1]]}),
        Case("an administrator's token", body=lambda s: {"ids": [s.pat("manage")[1]]}, carries=True),
        Case("an auditor's token", body=lambda s: {"ids": [s.pat("audit:read")[1]]}, carries=True),
        Case(
            "a key, which needs another scope",
            body=lambda s: {"ids": [s.key()]},
            carries=True,
            missing="api-keys:write",
        ),
        Case(
            "a secret, which needs another scope",
            body=lambda s: {"ids": [s.secret(s.client("orders:read"))[1]]},
            carries=True,
            missing="clients:write",
        ),
    ],
    "GET /credentials": [Case("all")],
    "GET /identity-providers": [Case("all")],
    "GET /identity-providers/{provider_id}": [Case("a provider", Scene.provider)],
    "GET /usage": [Case("an administrator's token", query=lambda s: f"?credential={s.pat('manage')[1]}")],
    "POST /credentials/inspect": [Case("a credential", body=giving(credential="lk_pat_x"))],
    "GET /resources": [Case("all")],
    "GET /resources/{resource_id}": [Case("this API", lambda s: s.own)],
    "GET /resources/{resource_id}/permissions": [Case("this API's", lambda s: s.own)],
    "GET /resources/{resource_id}/permissions/{name}": [Case("one of this API", lambda s: (s.own, "manage"))],
    "GET /roles": [Case("all")],
    "GET /roles/{role_id}": [Case("an administrators' role", lambda s: s.a_role("manage"))],
    "GET /users": [Case("all")],
    "GET /users/{user_id}": [Case("an administrator", lambda s: s.user("manage"))],
    "GET /users/{user_id}/identities": [Case("an administrator's", lambda s: s.user("manage"))],
    "GET /users/{user_id}/identities/{identity_id}": [Case("an administrator's", lambda s: s.identity("manage"))],
    "GET /users/{user_id}/personal-access-tokens": [Case("an administrator's", lambda s: s.user("manage"))],
    "GET /users/{user_id}/personal-access-tokens/{token_id}": [Case("with manage", lambda s: s.pat("manage"))],
    "GET /users/{user_id}/apps": [Case("an administrator's", lambda s: s.user("manage"))],
    "GET /clients": [Case("all")],
    "GET /clients/{row_id}": [Case("an administrator", lambda s: s.client("manage"))],
    "GET /clients/{row_id}/secrets": [Case("an administrator's", lambda s: s.client("manage"))],
    "GET /clients/{row_id}/secrets/{secret_id}": [Case("an administrator's", lambda s: s.secret(s.client("manage")))],
    "GET /clients/{row_id}/federated-credentials": [Case("an administrator's", lambda s: s.client("manage"))],
    "GET /clients/{row_id}/federated-credentials/{credential_id}": [
        Case("an administrator's", lambda s: s.trust(s.client("manage")))
    ],
    "GET /clients/{row_id}/grants": [Case("an app's", lambda s: s.grant()[0])],
    "GET /api-keys": [Case("all")],
    "GET /api-keys/{key_id}": [Case("a key", Scene.key)],
    "GET /webhooks": [Case("all")],
    "GET /webhooks/{webhook_id}": [Case("a webhook", Scene.webhook)],
    "GET /webhooks/{webhook_id}/deliveries": [Case("a webhook", Scene.webhook)],
    "GET /signing-keys": [Case("all")],
    "GET /audit-events": [Case("all")],
}
