"""The parameters and answers of the OAuth endpoints, as schemas for the API's description; nothing is read by them."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from app.actions.tokens.exchange import ACCESS_TOKEN
from app.oauth.authorization_code import AuthorizationCode
from app.oauth.client_credentials import ClientCredentials
from app.oauth.device_code import DeviceCode
from app.oauth.jwt_bearer import JwtBearer
from app.oauth.metadata import build_document
from app.oauth.refresh_token import RefreshToken
from app.oauth.token_exchange import TokenExchange


def _text(description: str, *words: str, **options: Any) -> fields.String:
    choices = validate.OneOf(words) if words else None
    return fields.String(validate=choices, metadata={"description": description}, **options)


def _texts(description: str) -> fields.List[Any]:
    return fields.List(fields.String(), metadata={"description": description})


class _ClientForm(Schema):
    """A client in the form, where it is not authenticated by the Authorization header (RFC 6749 §2.3.1)."""

    client_id = _text("the client, where the Authorization header does not name it")
    client_secret = _text("client_secret_post: the secret in the form")
    client_assertion_type = _text("private_key_jwt: urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    client_assertion = _text("private_key_jwt: a JWT signed by the client, or by an issuer that it trusts (RFC 7523)")


class _GrantForm(_ClientForm):
    scope = _text("scopes, separated by spaces; by default all that the roles grant")
    resource = _texts("identifiers of API resources (RFC 8707); by default the resources of the scopes")


class ClientCredentialsFormSchema(_GrantForm):
    """The client credentials grant (RFC 6749 §4.4)."""

    grant_type = _text("the grant", ClientCredentials.GRANT_TYPE, required=True)


class TokenExchangeFormSchema(_GrantForm):
    """Token exchange (RFC 8693)."""

    grant_type = _text("the grant", TokenExchange.GRANT_TYPE, required=True)
    subject_token = _text("a personal access token or an API key", required=True)
    subject_token_type = _text(f"such as {ACCESS_TOKEN}", required=True)
    requested_token_type = _text(f"{ACCESS_TOKEN} when left out")
    audience = _texts("further identifiers of API resources")


class JwtBearerFormSchema(_GrantForm):
    """The JWT bearer grant (RFC 7523 §2.1)."""

    grant_type = _text("the grant", JwtBearer.GRANT_TYPE, required=True)
    assertion = _text("a token of an issuer that the client trusts", required=True)


class AuthorizationCodeFormSchema(_GrantForm):
    """The authorization code grant (RFC 6749 §4.1.3)."""

    grant_type = _text("the grant", AuthorizationCode.GRANT_TYPE, required=True)
    code = _text("the code that the redirect brought", required=True)
    redirect_uri = _text("as in the authorization request, where it had one")
    code_verifier = _text("the verifier of the request's code_challenge (RFC 7636)", required=True)


class RefreshTokenFormSchema(_GrantForm):
    """The refresh token grant (RFC 6749 §6)."""

    grant_type = _text("the grant", RefreshToken.GRANT_TYPE, required=True)
    refresh_token = _text("the newest refresh token: each is replaced by the next", required=True)


class DeviceCodeFormSchema(_ClientForm):
    """The device code grant (RFC 8628 §3.4)."""

    grant_type = _text("the grant", DeviceCode.GRANT_TYPE, required=True)
    device_code = _text("the device code; ask again after `interval` seconds", required=True)


class DeviceAuthorizationFormSchema(_GrantForm):
    """A device authorization request (RFC 8628 §3.1)."""


class DeviceAuthorizationSchema(Schema):
    """The codes for a device (RFC 8628 §3.2)."""

    device_code = _text("for the token endpoint", required=True)
    user_code = _text("that the device shows to its user", required=True)
    verification_uri = _text("where the user enters it", required=True)
    verification_uri_complete = _text("the same with the code, for a link or a QR code", required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    interval = fields.Integer(required=True, metadata={"description": "seconds between two polls"})


class IntrospectionFormSchema(_ClientForm):
    """An introspection request (RFC 7662 §2.1)."""

    token = _text("the credential to describe", required=True)
    token_type_hint = _text("is ignored")
    client_ip = _text("the address that used the credential, for keys that are restricted to networks")


class RevocationFormSchema(_ClientForm):
    """A revocation request (RFC 7009 §2.1)."""

    token = _text("the credential to revoke", required=True)
    token_type_hint = _text("is ignored")


class IssuedTokenSchema(Schema):
    """An access token (RFC 6749 §5.1)."""

    access_token = _text("the token, an RFC 9068 JWT", required=True)
    token_type = _text("Bearer, or DPoP for a token that is bound to a key", required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    scope = _text("the scopes that were granted", required=True)
    refresh_token = _text("for an app that is registered for the refresh token grant")
    issued_token_type = _text("of a token exchange (RFC 8693 §2.2.1)")


class WindowSchema(Schema):
    """What is left of a key's rate limit."""

    limit = fields.Integer(required=True)
    remaining = fields.Integer(required=True)
    reset_seconds = fields.Integer(required=True)


class IntrospectionSchema(Schema):
    """A credential as it is now (RFC 7662 §2.2); an inactive one has no member but `active`."""

    active = fields.Boolean(required=True)
    credential_type = _text("personal_access_token, api_key, client_credentials or oauth_token")
    token_type = _text("Bearer, or DPoP")
    scope = _text("the scopes that it grants now, for the caller's resources")
    aud = _texts("the resources that accept it, among the caller's")
    iss = _text("the issuer")
    iat = fields.Integer(metadata={"description": "seconds since 1970"})
    exp = fields.Integer(metadata={"description": "seconds since 1970; absent when it never expires"})
    jti = _text("the credential's id, the same in every answer")
    sub = _text("the user's id, or the client_id")
    username = _text("the user's name")
    client_id = _text("the client")
    cnf = fields.Dict(metadata={"description": "the key or certificate that it is bound to (RFC 9449, RFC 8705)"})
    act = fields.Dict(metadata={"description": "the client that acts for the user (RFC 8693 §4.1)"})
    exchanged = fields.Boolean(metadata={"description": "whether it came from a token exchange"})
    rate_limit = fields.Nested(WindowSchema)


class PublishedKeySchema(Schema):
    """A public key (RFC 7517 §4, RFC 7518 §6.2)."""

    kty = fields.String(required=True)
    crv = fields.String(required=True)
    x = fields.String(required=True)
    y = fields.String(required=True)
    kid = fields.String(required=True)
    alg = fields.String(required=True)
    use = fields.String(required=True)


class KeySetSchema(Schema):
    """The keys that verify our tokens (RFC 7517 §5)."""

    keys = fields.List(fields.Nested(PublishedKeySchema), required=True)


class StatusListsSchema(Schema):
    """The addresses of the live status lists (draft-ietf-oauth-status-list §9.3)."""

    status_lists = fields.List(fields.String(), required=True)


class OAuthErrorSchema(Schema):
    """Why a request was refused (RFC 6749 §5.2)."""

    error = _text("a code such as invalid_client", required=True)
    error_description = _text("what was wrong, for people", required=True)


def _member(value: object) -> fields.Field[Any]:
    if isinstance(value, bool):
        return fields.Boolean(required=True)
    return fields.List(fields.String(), required=True) if isinstance(value, list) else fields.String(required=True)


MetadataSchema = Schema.from_dict(
    {name: _member(value) for name, value in build_document("").items()}, name="MetadataSchema"
)
