"""What a client can find out by itself: RFC 8414 metadata and the JWK set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from flask import Blueprint, Response, abort, jsonify

from app.crypto.jws import ALGORITHMS as DPOP_ALGORITHMS
from app.crypto.signing import ALGORITHM
from app.http.current import actions
from app.oauth.client_authentication import ASSERTION_ALGORITHMS, METHODS, certificate_methods
from app.oauth.cors import open_to_all
from app.oauth.jwt_bearer import JwtBearer
from app.oauth.token_exchange import TokenExchange

WELL_KNOWN = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
FRESH = "public, max-age=300"  # seconds
blueprint = Blueprint("metadata", __name__)
blueprint.after_request(open_to_all)


@blueprint.get(WELL_KNOWN)
def metadata() -> Response:
    """Print the metadata (RFC 8414 §3.2)."""
    return _printed({})


@blueprint.get(OPENID)
def openid_configuration() -> Response:
    """Print it for clients that know this name alone (RFC 8414 §5), with what OpenID Connect Discovery §3 requires."""
    return _printed({"subject_types_supported": ["public"], "id_token_signing_alg_values_supported": [ALGORITHM]})


@blueprint.get(f"{WELL_KNOWN}/<path:path>")
def metadata_of_path(path: str) -> Response:
    """Print it for an issuer with a path (RFC 8414 §3.1)."""
    _refuse_other_issuer(path)
    return metadata()


@blueprint.get(f"{OPENID}/<path:path>")
def openid_configuration_of_path(path: str) -> Response:
    """Print it with the path at the end (RFC 8414 §5); `UnderPath` answers with the path in front."""
    _refuse_other_issuer(path)
    return openid_configuration()


def _refuse_other_issuer(path: str) -> None:
    if f"/{path}" != unquote(actions().settings.issuer_path):
        abort(404)


def _printed(more: dict[str, Any]) -> Response:
    answer = jsonify(document(actions().settings.issuer, sorted(certificate_methods())) | more)
    answer.headers["Cache-Control"] = FRESH
    return answer


@blueprint.get("/.well-known/jwks.json")
def jwks() -> Response:
    """Print the public keys (RFC 7517 §5)."""
    with actions().store.connection() as connection:
        keys = actions().signing_keys.published(connection, actions().clock())
    answer = jsonify({"keys": keys})
    answer.headers["Cache-Control"] = f"public, max-age={actions().settings.jwks_max_age}"
    answer.mimetype = "application/jwk-set+json"
    return answer


def document(issuer: str, certificates: Sequence[str] = ()) -> dict[str, Any]:
    """Give the members (RFC 8414 §2); every URL starts with the issuer. `certificates` are methods that count here."""
    methods = {
        f"{endpoint}_endpoint_{member}": value
        for endpoint in ("token", "introspection", "revocation")
        for member, value in (
            ("auth_methods_supported", [*METHODS, *certificates]),
            ("auth_signing_alg_values_supported", ASSERTION_ALGORITHMS),
        )
    }
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "service_documentation": f"{issuer}/api/docs",
        "grant_types_supported": ["client_credentials", TokenExchange.GRANT_TYPE, JwtBearer.GRANT_TYPE],
        "response_types_supported": [],
        "introspection_signing_alg_values_supported": [ALGORITHM],
        "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        **methods,
        **({"tls_client_certificate_bound_access_tokens": True} if certificates else {}),  # RFC 8705 §3.3
    }
