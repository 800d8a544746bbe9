"""Why a credential is refused: a closed list, for the log, for usage and for explanations; callers never learn it."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The reason of one refusal. The value is what the log line and the usage say."""

    MISSING = "missing"  # no credential was sent
    MALFORMED = "malformed"  # not in a format that this server issues
    UNKNOWN = "unknown"  # well-formed, never issued or deleted
    EXPIRED = "expired"
    REVOKED = "revoked"
    DISABLED = "disabled"  # it, its owner or its source is disabled or gone
    SUPERSEDED = "superseded"  # rotated, regenerated or replaced
    USED = "used"  # a code that works once, and did
    BAD_SIGNATURE = "bad_signature"  # a JWT that this server did not sign
    UNKNOWN_RESOURCE = "unknown_resource"  # no resource has the identifier that the gateway names
    WRONG_RESOURCE = "wrong_resource"  # valid, for another resource
    INSUFFICIENT_SCOPE = "insufficient_scope"
    WRONG_KIND = "wrong_kind"  # a kind of credential that cannot be used for this
    WRONG_CLIENT = "wrong_client"  # of another client than the one that presents it
    WRONG_NETWORK = "wrong_network"  # the caller's address is outside the key's networks
    RATE_LIMITED = "rate_limited"
    INVALID_PROOF = "invalid_proof"  # DPoP or certificate binding
    BAD_CLIENT = "bad_client"  # unknown client or wrong client authentication
    BAD_LOGIN = "bad_login"  # unknown user or wrong password
    DENIED = "denied"  # the user did not agree
    UNAVAILABLE = "unavailable"  # the server was busy, or could not use its database
    INVALID_REQUEST = "invalid_request"
