"""The opaque format: `lk_` + a word for its kind + `_` + 32 random base62 characters + 6 check characters."""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from enum import StrEnum
from typing import Self

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_LENGTH = 32  # 190 bits
SHAPE = re.compile(r"lk_(pat|key|sec|ref|code|dev|reg)_([0-9A-Za-z]{32})([0-9A-Za-z]{6})")


class Prefix(StrEnum):
    """The beginning of a secret; `kind` names what the secret is."""

    kind: str

    PAT = "lk_pat_", "personal_access_token"
    API_KEY = "lk_key_", "api_key"
    CLIENT_SECRET = "lk_sec_", "client_secret"
    REFRESH_TOKEN = "lk_ref_", "refresh_token"
    AUTHORIZATION_CODE = "lk_code_", "authorization_code"
    DEVICE_CODE = "lk_dev_", "device_code"
    REGISTRATION = "lk_reg_", "registration_access_token"

    def __new__(cls, text: str, kind: str) -> Self:
        """Make a member that equals its text."""
        member = str.__new__(cls, text)
        member._value_, member.kind = text, kind
        return member


_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]  # the two digits of each number in base62
_PREFIXES = {prefix.value: prefix for prefix in Prefix}


def check_characters(random_part: str) -> str:
    """Return the CRC-32 of the random characters in base62, padded to 6, to recognize typing errors."""
    upper, lowest = divmod(zlib.crc32(random_part.encode("ascii")), len(_PAIRS))
    highest, middle = divmod(upper, len(_PAIRS))
    return _PAIRS[highest] + _PAIRS[middle] + _PAIRS[lowest]


def _base62(number: int, length: int) -> str:
    """Write a number in base62, padded with zeros to this length."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def mint(prefix: Prefix) -> str:
    """Return a new secret; the caller shows it once and keeps its digest."""
    random_part = _base62(secrets.randbelow(len(ALPHABET) ** RANDOM_LENGTH), RANDOM_LENGTH)  # all characters at once
    return f"{prefix}{random_part}{check_characters(random_part)}"


def prefix_of(token: str) -> Prefix | None:
    """Return the prefix of a well-formed secret; None for a wrong prefix, length, alphabet or check. No I/O."""
    shape = SHAPE.fullmatch(token)
    if shape is None or check_characters(shape[2]) != shape[3]:
        return None
    return _PREFIXES[f"lk_{shape[1]}_"]


def digest(secret: str) -> str:
    """Return the SHA-256 that is kept instead of a secret; 190 random bits need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def hint(token: str) -> str:
    """Return what a person recognizes a secret by: the prefix and the last four characters."""
    return f"{token[: token.find('_', 3) + 1]}…{token[-4:]}"
