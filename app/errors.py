"""Every refusal Latchkey can give, as one tree; each face translates it in one handler, with its HTTP status.

LatchkeyError
├── BadSettings           the start stops with this line
├── Malformed             400  the request cannot be read
├── Unauthenticated       401  nobody, or somebody else than they say
│   └── Unproven               a bound token without a proof of its key
├── Forbidden             403  known, but not allowed
├── NotFound              404
├── Conflict              409  the thing's state does not allow it
│   ├── Duplicate              the name is taken
│   └── BuiltIn                the server itself needs it
├── Invalid               422  readable, but wrong: field by field
├── TooManyRequests       429
├── Busy                  503  too much costly work is under way already
└── GrantRefused          400  an OAuth error with its code
    ├── InvalidRequest         invalid_request
    │   └── InvalidSubject         the subject_token is not good (RFC 8693 §2.2.2)
    ├── InvalidGrant           invalid_grant
    ├── InvalidScope           invalid_scope
    ├── InvalidTarget          invalid_target
    └── InvalidProof           invalid_dpop_proof
        └── NonceNeeded             use_dpop_nonce
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

LONGEST_TEXT = 800  # characters of a refusal: it may name what was sent, and is never much longer than a page of text
LONGEST_NAME, LONGEST_MESSAGE = 200, 300  # characters of a field's name and of what is wrong with it
MOST_ERRORS = 20  # fields that one refusal names


class LatchkeyError(Exception):
    """A refusal. Its text is public: it never holds a secret or an internal detail."""

    status: ClassVar[int | None] = None

    def __str__(self) -> str:
        """Return the text, cut where it names too much of what was sent."""
        return shorten(super().__str__(), LONGEST_TEXT)


class BadSettings(LatchkeyError):
    """A setting is unknown or cannot work."""


class Malformed(LatchkeyError):
    """The request cannot be read."""

    status = 400


class Unauthenticated(LatchkeyError):
    """No credential, or one that is not good; `error` is the RFC 6750 §3.1 code, None when nothing was sent."""

    status = 401

    def __init__(self, message: str, error: str | None = None) -> None:
        super().__init__(message)
        self.error = error


class Unproven(Unauthenticated):
    """A token that is bound to a key, without a proof of it; or under the wrong scheme (RFC 9449 §7.1).

    `schemes` are those to come in by, `nonce` is what the next proof shall hold.
    """

    def __init__(self, message: str, error: str, *schemes: str, nonce: str | None = None) -> None:
        super().__init__(message, error)
        self.schemes = schemes
        self.nonce = nonce


class Forbidden(LatchkeyError):
    """The caller may not do this; `scope` names what would allow it."""

    status = 403

    def __init__(self, message: str, scope: str | None = None) -> None:
        super().__init__(message)
        self.scope = scope


class NotFound(LatchkeyError):
    """There is no such thing."""

    status = 404


class Conflict(LatchkeyError):
    """The thing is in a state that does not allow this."""

    status = 409


class Duplicate(Conflict):
    """Something else has this name already."""


class BuiltIn(Conflict):
    """The server itself stands on it: it cannot be taken away or made public."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of a request and what is wrong with it."""

    field: str
    message: str


class Invalid(LatchkeyError):
    """The request is readable, but some fields cannot be accepted; the first MOST_ERRORS of them are named."""

    status = 422

    def __init__(self, *errors: FieldError) -> None:
        self.errors = tuple(_shorten_error(error) for error in errors[:MOST_ERRORS])
        super().__init__("; ".join(f"{e.field}: {e.message}" if e.field else e.message for e in self.errors))

    @classmethod
    def field(cls, field: str, message: str) -> Invalid:
        """Make the refusal of a single field."""
        return cls(FieldError(field, message))


class TooManyRequests(LatchkeyError):
    """A limit is spent; try again in `retry_after` seconds."""

    status = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Busy(LatchkeyError):
    """As much costly work is under way as this process admits; try again in `retry_after` seconds."""

    status = 503

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class GrantRefused(LatchkeyError):
    """An OAuth request is refused with a code of RFC 6749 §5.2 or RFC 8707 §2."""

    code = "invalid_request"


class InvalidRequest(GrantRefused):
    """A parameter is missing, repeated or malformed."""


class InvalidSubject(InvalidRequest):
    """What is to be exchanged is no active personal access token or API key."""


class InvalidGrant(GrantRefused):
    """What was presented belongs to somebody else."""

    code = "invalid_grant"


class InvalidScope(GrantRefused):
    """A scope is unknown, malformed, or more than the roles give."""

    code = "invalid_scope"


class InvalidTarget(GrantRefused):
    """The resource is unknown, or nothing is given on it (RFC 8707 §2)."""

    code = "invalid_target"


class InvalidProof(GrantRefused):
    """A DPoP proof is missing, malformed, stale, for another request, or used before (RFC 9449 §5)."""

    code = "invalid_dpop_proof"


class NonceNeeded(InvalidProof):
    """The proof lacks the nonce of this server; `nonce` is the one to use (RFC 9449 §8)."""

    code = "use_dpop_nonce"

    def __init__(self, message: str, nonce: str) -> None:
        super().__init__(message)
        self.nonce = nonce


def shorten(text: str, longest: int) -> str:
    """Return a text of at most `longest` characters; what was cut off shows as an ellipsis."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _shorten_error(error: FieldError) -> FieldError:
    return FieldError(shorten(error.field, LONGEST_NAME), shorten(error.message, LONGEST_MESSAGE))
