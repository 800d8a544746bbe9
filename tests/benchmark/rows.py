"""The rows of each subject: a name, and a plan for the load."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

from app.models.grant_types import AUTHORIZATION_CODE, REFRESH_TOKEN
from tests.benchmark.dataset import DataSet
from tests.benchmark.load import Plan
from tests.benchmark.organisation import APP_OF_CODES, APP_OF_GRANTS, ORDERS, VERIFIER, basic

FORM = "application/x-www-form-urlencoded"
ACTIVE, INACTIVE = '"active":%s*true', '"active":%s*false'
ISSUED = '"access_token":%s*"'
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
PAT_TYPE = "urn:latchkey:token-type:personal_access_token"
INTROSPECTED = {  # row: which secrets, and what is expected of them
    "introspect-pat": ("pat", ACTIVE),
    "introspect-api-key": ("api-key", ACTIVE),
    "introspect-m2m": ("m2m", ACTIVE),
    "introspect-exchanged": ("exchanged", ACTIVE),
    "introspect-oauth": ("delegated", ACTIVE),
    "introspect-inactive": ("inactive", INACTIVE),
    "introspect-malformed": ("malformed", INACTIVE),
}
LATCHKEY = (
    *INTROSPECTED,
    *("client-credentials", "code-exchange", "refresh", "token-exchange"),
    *("forward-auth", "forward-auth-oauth", "pat-creation"),
)
BARE = "bare-flask"
NODE, AUTHLIB = "node-oidc-provider", "authlib"
EARLIER = "earlier"  # Latchkey of another checkout
COUNTERPARTS = {  # the row of a peer that a row of ours is compared with
    **{row: {NODE: "introspect-opaque", AUTHLIB: "introspect-opaque"} for row in INTROSPECTED},
    "client-credentials": {NODE: "token-jwt", AUTHLIB: "token-jwt"},
}


def of_latchkey(data_set: DataSet, admin_token: str) -> dict[str, Plan]:
    """Return the plan of each row that the data set has secrets for; `admin_token` may create access tokens."""
    server = data_set.secrets("server").read_text(encoding="ascii").strip()
    plans = {
        name: _form(data_set.secrets(what), "/oauth/introspect", "token={line}", answer, server)
        for name, (what, answer) in INTROSPECTED.items()
    }
    resource = urlencode({"grant_type": "client_credentials", "resource": ORDERS})
    plans["client-credentials"] = _form(data_set.secrets("client"), "/oauth/token", resource, ISSUED, "{line}")
    exchange = urlencode({"grant_type": EXCHANGE, "subject_token_type": PAT_TYPE, "resource": ORDERS})
    subject = f"{exchange}&subject_token={{line}}"
    plans["token-exchange"] = _form(data_set.secrets("pat"), "/oauth/token", subject, ISSUED)
    plans["code-exchange"] = _once(data_set.secrets("code"), AUTHORIZATION_CODE, APP_OF_CODES, "code", VERIFIER)
    plans["refresh"] = _once(data_set.secrets("refresh"), REFRESH_TOKEN, APP_OF_GRANTS, "refresh_token")
    plans["forward-auth"] = _forward_auth(data_set.secrets("pat"))
    plans["forward-auth-oauth"] = _forward_auth(data_set.secrets("delegated"))
    plans["pat-creation"] = _creation(data_set.secrets("user"), admin_token)
    return {name: plan for name, plan in plans.items() if plan.file.exists()}  # an earlier version makes fewer


def of_bare_flask(data_set: DataSet) -> dict[str, Plan]:
    """Return the one row: the same request as an introspection."""
    server = data_set.secrets("server").read_text(encoding="ascii").strip()
    return {"form-to-json": _form(data_set.secrets("pat"), "/oauth/introspect", "token={line}", ACTIVE, server)}


def of_node(folder: Path) -> dict[str, Plan]:
    """Return the rows of node-oidc-provider; the folder has their secrets."""
    caller = _caller(folder)
    grant = {"grant_type": "client_credentials", "scope": "orders:read orders:write"}
    jwt = urlencode(grant | {"resource": ORDERS})
    return {
        "introspect-opaque": _form(folder / "token", "/token/introspection", "token={line}", ACTIVE, caller),
        "token-opaque": _form(folder / "client", "/token", urlencode(grant), ISSUED, caller),
        "token-jwt": _form(folder / "client", "/token", jwt, ISSUED + "eyJ", caller),
    }


def of_authlib(folder: Path) -> dict[str, Plan]:
    """Return the rows of Authlib; the folder has their secrets."""
    caller = _caller(folder)
    grant = urlencode({"grant_type": "client_credentials", "scope": "orders:read orders:write"})
    return {
        "introspect-opaque": _form(folder / "token", "/oauth/introspect", "token={line}", ACTIVE, caller),
        "token-jwt": _form(folder / "client", "/oauth/token", grant, ISSUED + "eyJ", caller),
    }


def _form(file: Path, path: str, body: str, answer: str, authorization: str | None = None) -> Plan:
    headers = {"Content-Type": FORM} | ({"Authorization": authorization} if authorization else {})
    return Plan(file, "POST", path, headers, body, answer=answer)


def _once(file: Path, grant_type: str, client_id: str, name: str, verifier: str = "") -> Plan:
    """Return the token request of an app with a secret that works once."""
    form = {"grant_type": grant_type, "client_id": client_id} | ({"code_verifier": verifier} if verifier else {})
    return replace(_form(file, "/oauth/token", f"{urlencode(form)}&{name}={{line}}", ISSUED), once=True)


def _forward_auth(file: Path) -> Plan:
    path = f"/oauth/forward-auth?resource={quote(ORDERS, safe='')}&scope=orders:read"
    headers = {"Authorization": "Bearer {line}"}
    return Plan(file, "GET", path, headers, answer="orders:read", answer_header="x-auth-scope")


def _creation(file: Path, token: str) -> Plan:
    body = json.dumps({"name": "bench-{count}", "scopes": ["orders:read"], "expires_in": 86_400})
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    path = "/api/v1/users/{line}/personal-access-tokens"
    return Plan(file, "POST", path, headers, body, status=201, answer="lk_pat_", unique=True)


def _caller(folder: Path) -> str:
    return basic(*(folder / "client").read_text(encoding="ascii").strip().split(":", 1))
