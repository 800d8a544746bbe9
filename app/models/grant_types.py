"""The grants that a client may be registered for, by their names in `grant_types` (RFC 7591 §2)."""

from __future__ import annotations

from typing import Literal

GrantType = Literal[
    "client_credentials", "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"
]
CLIENT_CREDENTIALS: GrantType = "client_credentials"  # RFC 6749 §4.4
AUTHORIZATION_CODE: GrantType = "authorization_code"  # RFC 6749 §4.1
REFRESH_TOKEN: GrantType = "refresh_token"  # noqa: S105 - RFC 6749 §6, the grant's name
DEVICE_CODE: GrantType = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628 §3.4
GRANT_TYPES = (CLIENT_CREDENTIALS, AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE)
OF_USERS = frozenset({AUTHORIZATION_CODE, DEVICE_CODE})  # in which a user agrees
