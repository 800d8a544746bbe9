"""Discovery: the server's metadata (RFC 8414) and its public keys (RFC 7517)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from flask import Blueprint, Response, abort, jsonify

from app.actions.status.indexes import PATH as STATUS_LISTS
from app.compose import Actions
from app.crypto.jws import ALGORITHMS as DPOP_ALGORITHMS
from app.crypto.signing import ALGORITHM
from app.models.grant_types import GRANT_TYPES
from app.oauth.assertions import ASSERTION_ALGORITHMS
from app.oauth.authorization_code import RESPONSE_MODE, RESPONSE_TYPE
from app.oauth.client import JWT_BEARER, TOKEN_EXCHANGE, certificate_methods
from app.oauth.client_authentication import METHODS, METHODS_OF_APPS
from app.oauth.cors import open_to_all
from app.oauth.pkce import METHOD as PKCE_METHOD
from app.operations.paths import AUTHORIZE
from app.settings.settings import Settings

WELL_KNOWN = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
FRESH = "public, max-age=300"  # seconds
METHODS_OF_ENDPOINTS = {"token": METHODS_OF_APPS, "introspection": METHODS, "revocation": METHODS_OF_APPS}
OF_OPENID = {"subject_types_supported": ["public"], "id_token_signing_alg_values_supported": [ALGORITHM]}


def create_blueprint(actions: Actions) -> Blueprint:
    """Return the routes of the metadata and of the JWK set."""
    blueprint = Blueprint("metadata", __name__)
    blueprint.after_request(open_to_all)
    settings = actions.settings
    document = build_document(settings.issuer, sorted(certificate_methods(settings))) | registration_members(settings)

    @blueprint.get(WELL_KNOWN)
    def metadata() -> Response:
        return _render(document)  # RFC 8414 §3.2

    @blueprint.get(OPENID)
    def openid_configuration() -> Response:
        return _render(document | OF_OPENID)  # RFC 8414 §5, with what OpenID Connect Discovery §3 requires

    @blueprint.get(f"{WELL_KNOWN}/<path:path>")
    def metadata_of_path(path: str) -> Response:
        _refuse_other_issuer(path, settings.issuer_path)
        return metadata()  # RFC 8414 §3.1: of an issuer with a path

    @blueprint.get(f"{OPENID}/<path:path>")
    def openid_configuration_of_path(path: str) -> Response:
        _refuse_other_issuer(path, settings.issuer_path)
        return openid_configuration()  # RFC 8414 §5: the path at the end; `UnderPath` answers with it in front

    @blueprint.get("/.well-known/jwks.json")
    def jwks() -> Response:
        with actions.store.connection() as connection:
            keys = actions.signing_keys.published(connection, actions.clock())
        answer = jsonify({"keys": keys})
        answer.headers["Cache-Control"] = f"public, max-age={settings.jwks_max_age}"
        answer.mimetype = "application/jwk-set+json"
        return answer

    return blueprint


def registration_members(settings: Settings) -> dict[str, Any]:
    """Return what says how apps make themselves known: by registration (RFC 7591), by a metadata document, or both."""
    endpoint = {"registration_endpoint": f"{settings.issuer}/oauth/register"}
    by_document = {"client_id_metadata_document_supported": True}  # draft-ietf-oauth-client-id-metadata-document-02 §6
    registers, documents = settings.registration != "off", settings.client_id_metadata == "on"
    return (endpoint if registers else {}) | (by_document if documents else {})


def _refuse_other_issuer(path: str, issuer_path: str) -> None:
    if f"/{path}" != unquote(issuer_path):
        abort(404)


def _render(document: dict[str, Any]) -> Response:
    answer = jsonify(document)
    answer.headers["Cache-Control"] = FRESH
    return answer


def build_document(issuer: str, certificates: Sequence[str] = ()) -> dict[str, Any]:
    """Return the members (RFC 8414 §2); every URL starts with the issuer. `certificates` are the methods offered.

    `scopes_supported` is left out: it would show the permissions of all APIs to everybody. An API names its own
    (RFC 9728 §2).
    """
    methods = {
        f"{endpoint}_endpoint_{member}": value
        for endpoint, offered in METHODS_OF_ENDPOINTS.items()
        for member, value in (
            ("auth_methods_supported", [*offered, *certificates]),
            ("auth_signing_alg_values_supported", ASSERTION_ALGORITHMS),
        )
    }
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}{AUTHORIZE}",
        "device_authorization_endpoint": f"{issuer}/oauth/device_authorization",  # RFC 8628 §4
        "token_endpoint": f"{issuer}/oauth/token",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "status_list_aggregation_endpoint": f"{issuer}{STATUS_LISTS}",  # draft-ietf-oauth-status-list §9.1
        "service_documentation": f"{issuer}/api/docs",
        "grant_types_supported": [*GRANT_TYPES, TOKEN_EXCHANGE, JWT_BEARER],
        "response_types_supported": [RESPONSE_TYPE],
        "response_modes_supported": [RESPONSE_MODE],
        "code_challenge_methods_supported": [PKCE_METHOD],
        "authorization_response_iss_parameter_supported": True,  # RFC 9207 §3
        "introspection_signing_alg_values_supported": [ALGORITHM],
        "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        **methods,
        **({"tls_client_certificate_bound_access_tokens": True} if certificates else {}),  # RFC 8705 §3.3
    }
