"""The registration of apps for the API's description (OpenAPI), where this server offers it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from app.actions.directory.app_metadata import GRANTS, METHODS
from app.crypto.opaque import Prefix, check_characters
from app.http import bookshop as shop
from app.oauth.description import JSON, LIMITED, NOBODY, TOO_LARGE, Endpoint
from app.oauth.registration import ENDPOINT, SCOPE
from app.settings.settings import Settings

CONFIGURED = f"{ENDPOINT}/<client_id>"
RANDOM = "Registration0fTheExampleApp00000"  # 32 characters, as a real one has
TOKEN = f"{Prefix.REGISTRATION}{RANDOM}{check_characters(RANDOM)}"
METADATA: dict[str, Any] = {
    "client_name": "Reading list",
    "redirect_uris": ["https://app.example/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "none",
    "scope": shop.READ,
    "client_uri": "https://app.example/",
}
BY_ITSELF: list[dict[str, list[str]]] = [{"bearer": []}]
INVALID = {400: "The metadata is not valid: invalid_redirect_uri or invalid_client_metadata"}
NO_TOKEN = {401: "No active token", 403: "A scope is missing"}
UNKNOWN = {401: "The registration access token is not valid for this client", 403: "An operator disabled the app"}


def _texts(description: str) -> fields.List[Any]:
    return fields.List(fields.String(), metadata={"description": description})


class AppMetadataSchema(Schema):
    """What an app states about itself (RFC 7591 §2); other members are ignored."""

    client_name = fields.String(metadata={"description": "as users see it"})
    redirect_uris = _texts("https, http on loopback, or a private-use scheme with a dot")
    grant_types = fields.List(fields.String(validate=validate.OneOf(GRANTS)))
    response_types = _texts("code")
    token_endpoint_auth_method = fields.String(
        validate=validate.OneOf(METHODS), metadata={"description": "client_secret_basic when left out"}
    )
    scope = fields.String(metadata={"description": "what users may be asked for, separated by spaces"})
    jwks = fields.Dict(metadata={"description": "public keys, for private_key_jwt"})
    jwks_uri = fields.String(metadata={"description": "or where they are"})
    client_uri = fields.String(metadata={"description": "the app's home page"})
    logo_uri = fields.String(metadata={"description": "its picture"})
    policy_uri = fields.String(metadata={"description": "its privacy policy"})
    dpop_bound_access_tokens = fields.Boolean(metadata={"description": "no token without a DPoP proof (RFC 9449)"})


class AppChangeSchema(AppMetadataSchema):
    """All metadata of an app, to replace what is kept (RFC 7592 §2.2)."""

    client_id = fields.String(required=True)


class AppSchema(AppMetadataSchema):
    """A registered app (RFC 7591 §3.2.1, RFC 7592 §3)."""

    client_id = fields.String(required=True)
    client_id_issued_at = fields.Integer(required=True, metadata={"description": "seconds since 1970"})
    client_secret = fields.String(metadata={"description": "once, when it is new"})
    client_secret_expires_at = fields.Integer(metadata={"description": "0: it does not expire"})
    registration_client_uri = fields.String(required=True)
    registration_access_token = fields.String(required=True, metadata={"description": "replaced at each change"})


def list_registration_endpoints(settings: Settings) -> list[Endpoint]:
    """Return the endpoints of registration; none where it is off."""
    if settings.registration == "off":
        return []
    uri = f"{settings.issuer}{ENDPOINT}/{shop.CLIENT_ID}"
    made = {"client_id": shop.CLIENT_ID, "client_id_issued_at": shop.ISSUED_AT, "registration_client_uri": uri}
    app = METADATA | {"response_types": ["code"]} | made | {"registration_access_token": TOKEN}
    content = {JSON: {"schema": AppSchema, "example": app}}
    return [_registration(content, is_open=settings.registration == "open"), *_configuration(content)]


def _registration(content: Mapping[str, Any], *, is_open: bool) -> Endpoint:
    token = f" The initial access token is a token of the management API with the scope `{SCOPE}`."
    return Endpoint(
        "post",
        ENDPOINT,
        "register",
        "Register an app",
        f"Apps act for users who agree to it, and for nobody else (RFC 7591).{'' if is_open else token}",
        status=201,
        content=content,
        body=(AppMetadataSchema, METADATA),
        security=NOBODY if is_open else [{"oauth2": [SCOPE]}, {"bearer": [SCOPE]}],
        refusals=INVALID | ({} if is_open else NO_TOKEN) | TOO_LARGE | LIMITED,
    )


def _configuration(content: Mapping[str, Any]) -> Iterator[Endpoint]:
    texts = {
        "get": ("read", "Show the registration of an app", "The token is the registration access token (RFC 7592)."),
        "put": (
            "change",
            "Replace the metadata of an app",
            "The answer has another registration access token, which is the only one from then on (RFC 7592).",
        ),
    }
    for method, (verb, summary, text) in texts.items():
        is_change = method == "put"
        yield Endpoint(
            method,
            CONFIGURED,
            f"{verb}_registration",
            summary,
            text,
            content=content,
            body=(AppChangeSchema, METADATA | {"client_id": shop.CLIENT_ID}) if is_change else None,
            security=BY_ITSELF,
            refusals=UNKNOWN | (INVALID | TOO_LARGE if is_change else {}),
        )
    deleted = "Its tokens, and what users agreed to, end at once (RFC 7592)."
    words = ("delete_registration", "Delete an app", deleted, "Deleted")
    yield Endpoint("delete", CONFIGURED, *words, status=204, security=BY_ITSELF, refusals=UNKNOWN)
