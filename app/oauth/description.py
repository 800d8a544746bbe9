"""The OAuth endpoints for the API's description (OpenAPI): one table, from which apispec makes the operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apispec import APISpec
from flask import Flask
from marshmallow import Schema

from app.actions.status.indexes import PATH
from app.crypto.status_list import MEDIA_TYPE
from app.http.bookshop import ACCESS_TOKEN, ISSUER, READ
from app.http.request_bounds import FORM
from app.maintenance.demo import STOCK
from app.oauth.examples import DEVICE_CODES, FORMS, IDENTITY, IDENTITY_HEADERS, ISSUED, KEY_SET
from app.oauth.forms import (
    AuthorizationCodeFormSchema,
    ClientCredentialsFormSchema,
    DeviceAuthorizationFormSchema,
    DeviceAuthorizationSchema,
    DeviceCodeFormSchema,
    IntrospectionFormSchema,
    IntrospectionSchema,
    IssuedTokenSchema,
    JwtBearerFormSchema,
    KeySetSchema,
    MetadataSchema,
    OAuthErrorSchema,
    RefreshTokenFormSchema,
    RevocationFormSchema,
    StatusListsSchema,
    TokenExchangeFormSchema,
)
from app.oauth.introspection import SIGNED
from app.oauth.metadata import WELL_KNOWN, build_document
from app.operations.paths import AUTHORIZE, FORWARD_AUTH, TOKEN

JSON, JWK_SET = "application/json", "application/jwk-set+json"
TAG = {
    "name": "oauth",
    "description": "The OAuth 2.0 endpoints: tokens, devices, introspection, revocation, gateways, discovery",
}
CLIENT: list[dict[str, list[str]]] = [{"client": []}]
NOBODY: list[dict[str, list[str]]] = [{}]  # a client may authenticate in the form, or is not needed
READABLE, LIMITED = {400: "The request is not valid"}, {429: "Too many failed attempts"}
TOO_LARGE = {413: "The body is too large"}
POSTED = READABLE | {401: "Client authentication failed"} | TOO_LARGE | LIMITED | {503: "Busy: try again"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a query, or of a path."""

    name: str
    description: str
    example: str = ""
    required: bool = False
    place: str = "query"

    def describe(self) -> dict[str, Any]:
        """Return the parameter as OpenAPI has it."""
        described: dict[str, Any] = {"in": self.place, "name": self.name, "description": self.description}
        described |= {"required": self.required, "schema": {"type": "string"}}
        return described | ({"example": self.example} if self.example else {})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as it is described: what it reads, its answer and its refusals, each with an example."""

    method: str
    path: str
    name: str
    summary: str
    description: str
    answer: str = "OK"
    content: Mapping[str, Any] = field(default_factory=dict)  # of the answer, by media type
    headers: Mapping[str, str] = field(default_factory=dict)  # of the answer, with examples
    forms: Mapping[str, tuple[type[Schema], Any]] = field(default_factory=dict)  # schema and example, by title
    body: tuple[type[Schema], Any] | None = None  # schema and example, of a request in JSON
    status: int = 200  # of the answer
    query: tuple[Parameter, ...] = ()  # or of the path
    security: list[dict[str, list[str]]] = field(default_factory=list)
    refusals: Mapping[int, str] = field(default_factory=dict)

    def operation(self) -> dict[str, Any]:
        """Return the operation as apispec reads it."""
        described: dict[str, Any] = {"tags": [TAG["name"]], "operationId": self.name, "security": self.security}
        described |= {"summary": self.summary, "description": self.description, "responses": self._responses()}
        if asked := self.parameters("query"):
            described["parameters"] = asked
        if self.forms:
            described["requestBody"] = {"required": True, "content": {FORM: self._form()}}
        if self.body:
            schema, example = self.body
            described["requestBody"] = {"required": True, "content": {JSON: {"schema": schema, "example": example}}}
        return described

    def parameters(self, place: str) -> list[dict[str, Any]]:
        """Return the parameters of the query or of the path."""
        return [one.describe() for one in self.query if one.place == place]

    def _form(self) -> dict[str, Any]:
        schemas = [schema for schema, _ in self.forms.values()]
        if len(schemas) == 1:
            [(schema, example)] = self.forms.values()
            return {"schema": schema, "example": example}
        examples = {_key(title): {"summary": title, "value": value} for title, (_, value) in self.forms.items()}
        return {"schema": {"oneOf": schemas}, "examples": examples}

    def _responses(self) -> dict[str, Any]:
        success: dict[str, Any] = {"description": self.answer}
        success |= {"content": dict(self.content)} if self.content else {}
        if self.headers:
            texts = {n: {"schema": {"type": "string"}, "example": value} for n, value in self.headers.items()}
            success["headers"] = texts
        refusals = {str(status): _refusal(status, text) for status, text in self.refusals.items()}
        return {str(self.status): success} | refusals


GATEWAY_QUERY = (
    Parameter("resource", "identifier of the API resource that the gateway protects", STOCK, required=True),
    Parameter("scope", "scopes that must all be granted, separated by spaces", READ),
    Parameter("challenge", "`basic` for a Basic challenge in the 401, which git and npm wait for"),
)
TOKEN_ENDPOINT = Endpoint(
    "post",
    TOKEN,
    "token",
    "Issue an access token, or exchange a credential for one",
    "The client authenticates by HTTP Basic, in the form, by a signed assertion or by its certificate. Token"
    " exchange also works without a client: possession of the credential is enough. An app gets its code at"
    f" `{AUTHORIZE}`, where a user agrees in a browser; a public app sends its `client_id` alone.",
    content={JSON: {"schema": IssuedTokenSchema, "example": ISSUED}},
    forms={
        "Client credentials": (ClientCredentialsFormSchema, FORMS["machine"]),
        "Token exchange": (TokenExchangeFormSchema, FORMS["exchange"]),
        "JWT bearer": (JwtBearerFormSchema, FORMS["jwt_bearer"]),
        "Authorization code": (AuthorizationCodeFormSchema, FORMS["code"]),
        "Refresh token": (RefreshTokenFormSchema, FORMS["refresh"]),
        "Device code": (DeviceCodeFormSchema, FORMS["device_code"]),
    },
    security=CLIENT + NOBODY,
    refusals=POSTED,
)
DEVICES = Endpoint(
    "post",
    "/oauth/device_authorization",
    "device_authorization",
    "Begin the authorization of a device",
    "The device shows `user_code` to its user, who enters it at `verification_uri` and agrees there; meanwhile the"
    " device polls the token endpoint with `device_code` (RFC 8628). A public client sends its `client_id` alone.",
    content={JSON: {"schema": DeviceAuthorizationSchema, "example": DEVICE_CODES}},
    forms={"Device authorization": (DeviceAuthorizationFormSchema, FORMS["device"])},
    security=CLIENT + NOBODY,
    refusals=POSTED,
)
INTROSPECTION = Endpoint(
    "post",
    "/oauth/introspect",
    "introspect",
    "Describe a credential of any kind as it is now",
    "The caller is a client, which sees the resources that it serves, or a Bearer token of the scope"
    f" `introspect`, which sees all. `Accept: {SIGNED}` answers with a signed JWT (RFC 9701).",
    content={
        JSON: {"schema": IntrospectionSchema, "example": IDENTITY},
        SIGNED: {"schema": {"type": "string"}},
    },
    forms={"Introspection": (IntrospectionFormSchema, FORMS["introspect"])},
    security=[*CLIENT, {"oauth2": ["introspect"]}, {"bearer": ["introspect"]}, *NOBODY],
    refusals=POSTED | {403: "The token lacks the scope introspect"},
)
REVOCATION = Endpoint(
    "post",
    "/oauth/revoke",
    "revoke",
    "Revoke a credential by its secret",
    "The answer is the same whether the credential was known or not. A client's token needs that client's"
    " authentication; for the other kinds possession is enough.",
    answer="Revoked, or not known",
    forms={"Revocation": (RevocationFormSchema, FORMS["revoke"])},
    security=CLIENT + NOBODY,
    refusals=POSTED,
)
GATEWAYS = Endpoint(
    "get",
    FORWARD_AUTH,
    "forward_auth",
    "Decide for a gateway whether a request may pass",
    "A gateway sends the headers of a request, by any method; the credential is in `Authorization` or in"
    " `X-API-Key`. The answer's headers say who the caller is.",
    answer="The request may pass",
    headers=IDENTITY_HEADERS,
    query=GATEWAY_QUERY,
    security=[{"bearer": []}, {"key": []}, {"token_as_password": []}],
    refusals=READABLE | {401: "No credential, or an inactive one", 403: "A scope is missing"} | LIMITED,
)
KEYS = Endpoint(
    "get",
    "/.well-known/jwks.json",
    "jwks",
    "Show the public keys that verify our tokens",
    "The answer may be cached for as long as its `Cache-Control` says (RFC 7517).",
    content={JWK_SET: {"schema": KeySetSchema, "example": KEY_SET}},
)

STATUS_LISTS = Endpoint(
    "get",
    PATH,
    "status_lists",
    "Show the addresses of the status lists",
    "A JWT names its list and its index there in the claim `status` (OAuth Token Status List).",
    content={JSON: {"schema": StatusListsSchema, "example": {"status_lists": [f"{ISSUER}{PATH}/00001"]}}},
)
STATUS_LIST = Endpoint(
    "get",
    f"{PATH}/<number>",
    "status_list",
    "Show a status list",
    "A JWT whose `status_list` has a bit for each index, compressed; 1: refuse the token. It may be kept for as long as"
    " its `Cache-Control` says; an unchanged one is 304 for its `ETag`.",
    content={MEDIA_TYPE: {"schema": {"type": "string"}, "example": ACCESS_TOKEN}},
    query=(Parameter("number", "the end of the list's address", "00001", required=True, place="path"),),
    refusals={404: "There is no such status list, or all its tokens have expired"},
)


def describe_endpoints(app: Flask, spec: APISpec, endpoints: Sequence[Endpoint]) -> None:
    """Add the endpoints, which the application serves, to the description of its API."""
    rules = {rule.rule: rule for rule in app.url_map.iter_rules()}
    spec.tag(TAG)
    for endpoint in endpoints:
        in_path = endpoint.parameters("path")
        spec.path(rule=rules[endpoint.path], operations={endpoint.method: endpoint.operation()}, parameters=in_path)


def list_endpoints(issuer: str) -> list[Endpoint]:
    """Return the endpoints; the metadata's example is that of the issuer."""
    metadata = Endpoint(
        "get",
        WELL_KNOWN,
        "metadata",
        "Show the server's metadata",
        "The endpoints, grants, methods and algorithms of this server (RFC 8414).",
        content={JSON: {"schema": MetadataSchema, "example": build_document(issuer)}},
    )
    return [TOKEN_ENDPOINT, DEVICES, INTROSPECTION, REVOCATION, GATEWAYS, KEYS, STATUS_LISTS, STATUS_LIST, metadata]


def _refusal(status: int, text: str) -> dict[str, Any]:
    example = {"error": _CODES.get(status, "invalid_request"), "error_description": text[0].lower() + text[1:]}
    return {"description": text, "content": {JSON: {"schema": OAuthErrorSchema, "example": example}}}


def _key(title: str) -> str:
    return title.lower().replace(" ", "_")


_CODES = {
    401: "invalid_client",
    403: "insufficient_scope",
    429: "temporarily_unavailable",
    503: "temporarily_unavailable",
}
