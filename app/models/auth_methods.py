"""The ways in which a client authenticates, by their names in `token_endpoint_auth_method` (RFC 7591 §2)."""

from __future__ import annotations

from typing import Literal

Method = Literal[
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "federated_jwt",
    "none",
]
CLIENT_SECRET_BASIC, CLIENT_SECRET_POST = "client_secret_basic", "client_secret_post"  # RFC 6749 §2.3.1
PRIVATE_KEY_JWT = "private_key_jwt"  # RFC 7523 §2.2
TLS_METHOD, SELF_SIGNED_METHOD = "tls_client_auth", "self_signed_tls_client_auth"  # RFC 8705 §2
FEDERATED_JWT = "federated_jwt"  # ours: by its federated credentials alone
NONE = "none"  # RFC 6749 §2.1: a public client, which names itself and proves nothing
SECRET_METHODS = frozenset({CLIENT_SECRET_BASIC, CLIENT_SECRET_POST})
CERTIFICATE_METHODS = frozenset({TLS_METHOD, SELF_SIGNED_METHOD})
KEY_METHODS = frozenset({PRIVATE_KEY_JWT, SELF_SIGNED_METHOD})  # that need jwks or jwks_uri
PROVING = KEY_METHODS | {TLS_METHOD}  # by what the client itself is registered with, without a secret
SECRETLESS = PROVING | {FEDERATED_JWT, NONE}
