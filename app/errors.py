"""The tree of all refusals; the API, the pages and the CLI each translate it in one handler, with its HTTP status.

LatchkeyError
├── BadSettings           the start stops with this line
├── Malformed             400  the request cannot be read
├── Unauthenticated       401  no valid credential
│   └── Unproven               a bound token without a proof of its key
├── Forbidden             403  authenticated, but not allowed
├── NotFound              404
├── Conflict              409  the object's state does not allow it
│   ├── Duplicate              the name is taken
│   └── BuiltIn                the server itself needs it
├── Stale                 412  the object is not the version that the caller has seen
├── Invalid               422  readable, but wrong: field by field
├── TooManyRequests       429
├── Busy                  503  too much costly work is running
├── ProviderAway          503  an identity provider does not answer
├── SignInRefused         403  a sign-in by an identity provider does not fit
└── GrantRefused          400  an OAuth error with its code
    ├── InvalidRequest         invalid_request
    │   └── InvalidSubject         the subject_token is not valid (RFC 8693 §2.2.2)
    ├── InvalidGrant           invalid_grant
    ├── InvalidScope           invalid_scope
    ├── InvalidTarget          invalid_target
    ├── AccessDenied           access_denied
    ├── AuthorizationPending   authorization_pending (RFC 8628 §3.5)
    ├── SlowDown               slow_down
    ├── DeviceCodeExpired      expired_token
    ├── BadDocument            invalid_client
    └── InvalidProof           invalid_dpop_proof
        └── NonceNeeded             use_dpop_nonce
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

LONGEST_TEXT = 800  # characters of a refusal, which may quote what was sent
LONGEST_NAME, LONGEST_MESSAGE = 200, 300  # characters of a field's name and of its message
MOST_ERRORS = 20  # fields that one refusal names


class LatchkeyError(Exception):
    """A refusal. Its text is public and never contains a secret or an internal detail."""

    status: ClassVar[int | None] = None
    verdict: object = None  # what verification returned of the credential that was refused: for the log alone

    def about(self, verdict: object) -> Self:
        """Add what is known of the refused credential."""
        self.verdict = verdict
        return self

    def __str__(self) -> str:
        """Return the text, shortened to LONGEST_TEXT."""
        return shorten(super().__str__(), LONGEST_TEXT)


class BadSettings(LatchkeyError):
    """A setting is unknown or cannot work."""


class Malformed(LatchkeyError):
    """The request cannot be read."""

    status = 400


class Unauthenticated(LatchkeyError):
    """No credential, or an invalid one; `error` is the RFC 6750 §3.1 code, None when nothing was sent."""

    status = 401

    def __init__(self, message: str, error: str | None = None) -> None:
        super().__init__(message)
        self.error = error


class Unproven(Unauthenticated):
    """A token that is bound to a key, without a proof of it or under the wrong scheme (RFC 9449 §7.1).

    `schemes` are the accepted ones, `nonce` is the value for the next proof.
    """

    def __init__(self, message: str, error: str, *schemes: str, nonce: str | None = None) -> None:
        super().__init__(message, error)
        self.schemes = schemes
        self.nonce = nonce


class Forbidden(LatchkeyError):
    """The caller is not allowed to do this; `scope` names the scope that would allow it."""

    status = 403

    def __init__(self, message: str, scope: str | None = None) -> None:
        super().__init__(message)
        self.scope = scope


class NotFound(LatchkeyError):
    """The object does not exist."""

    status = 404


class Conflict(LatchkeyError):
    """The object's state does not allow this."""

    status = 409


class Duplicate(Conflict):
    """The name is already taken."""


class BuiltIn(Conflict):
    """The server itself needs the object: it cannot be deleted or made public."""


class Stale(LatchkeyError):
    """The object is not the version that the caller has seen."""

    status = 412


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of a request and what is wrong with it."""

    field: str
    message: str


class Invalid(LatchkeyError):
    """The request is readable, but some fields are invalid; the first MOST_ERRORS of them are named."""

    status = 422

    def __init__(self, *errors: FieldError) -> None:
        self.errors = tuple(_shorten_error(error) for error in errors[:MOST_ERRORS])
        super().__init__("; ".join(f"{e.field}: {e.message}" if e.field else e.message for e in self.errors))

    @classmethod
    def field(cls, field: str, message: str) -> Invalid:
        """Return the refusal of a single field."""
        return cls(FieldError(field, message))


class TooManyRequests(LatchkeyError):
    """A limit is spent; try again in `retry_after` seconds."""

    status = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Busy(LatchkeyError):
    """This process runs as much costly work as it may; try again in `retry_after` seconds."""

    status = 503

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ProviderAway(LatchkeyError):
    """An identity provider does not answer in time, or not as it should."""

    status = 503


class SignInRefused(LatchkeyError):
    """A sign-in by an identity provider that was not begun here, is not for us, or of an unknown person."""

    status = 403


class GrantRefused(LatchkeyError):
    """An OAuth request is refused with a code of RFC 6749 §5.2 or RFC 8707 §2."""

    code = "invalid_request"


class InvalidRequest(GrantRefused):
    """A parameter is missing, repeated or malformed."""


class InvalidSubject(InvalidRequest):
    """The subject token is not an active personal access token or API key."""


class InvalidGrant(GrantRefused):
    """The presented token or code belongs to another client, or is unknown, used, expired or revoked."""

    code = "invalid_grant"


class InvalidScope(GrantRefused):
    """A scope is unknown, malformed, or not granted by the roles."""

    code = "invalid_scope"


class InvalidTarget(GrantRefused):
    """The resource is unknown, or the roles grant nothing on it (RFC 8707 §2)."""

    code = "invalid_target"


class AccessDenied(GrantRefused):
    """The user refused (RFC 6749 §4.1.2.1, RFC 8628 §3.5)."""

    code = "access_denied"


class AuthorizationPending(GrantRefused):
    """The user has not answered yet (RFC 8628 §3.5)."""

    code = "authorization_pending"


class SlowDown(GrantRefused):
    """The device polls too often; its interval is now 5 seconds longer (RFC 8628 §3.5)."""

    code = "slow_down"


class DeviceCodeExpired(GrantRefused):
    """The device code has expired (RFC 8628 §3.5)."""

    code = "expired_token"


class BadDocument(GrantRefused):
    """The client metadata document that a client_id names cannot be fetched, or is not valid."""

    code = "invalid_client"


class InvalidProof(GrantRefused):
    """A DPoP proof is missing, malformed, stale, for another request, or already used (RFC 9449 §5)."""

    code = "invalid_dpop_proof"


class NonceNeeded(InvalidProof):
    """The proof lacks the nonce of this server; `nonce` is the one to use (RFC 9449 §8)."""

    code = "use_dpop_nonce"

    def __init__(self, message: str, nonce: str) -> None:
        super().__init__(message)
        self.nonce = nonce


def shorten(text: str, longest: int) -> str:
    """Return a text of at most `longest` characters; an ellipsis marks the cut."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _shorten_error(error: FieldError) -> FieldError:
    return FieldError(shorten(error.field, LONGEST_NAME), shorten(error.message, LONGEST_MESSAGE))
