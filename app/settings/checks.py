"""The values that a setting accepts, one function per rule; each raises ValueError with what is valid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from app.settings.addresses import Network, read_network
from app.settings.database_url import normalize_url
from app.settings.identity_providers import ProviderEntry, read_entries
from app.settings.kept_key import MIN_LENGTH
from app.settings.languages import EXPECTED as LANGUAGES_EXPECTED
from app.settings.languages import check_languages
from app.settings.mail import check_sender, check_smtp_url

FORWARD_AUTH_PARAMETERS = ("resource", "scope", "challenge")
SENT_UNCHANGED = re.compile(r"[ -$&-*,-~]*")  # VSCHAR (RFC 6749 appendix A.2) without what form-decoding changes
TOKEN = re.compile(r"([A-Za-z0-9._~+/-]{16,200}=*)?")  # RFC 6750 §2.1
DIGEST_LINE = re.compile(rb"[0-9A-Fa-f]{40}(:\d+)?\r?(\n|$)")
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
DEFAULT_PORT = re.compile(r"https:.*:443|http:.*:80")  # which no browser sends in Origin
NETWORKS_EXPECTED = "must be networks such as 10.0.0.0/8 or 2001:db8::1/128, separated by commas"
ORIGINS_EXPECTED = "must be origins such as https://app.example, without a path or a default port, separated by commas"
LENGTH_EXPECTED = f"must have {MIN_LENGTH} characters or more"


def read_networks(value: object) -> tuple[Network, ...]:
    """Return networks from a list, or from text with commas."""
    try:
        return tuple(read_network(item) for item in _items(value, NETWORKS_EXPECTED))
    except ValueError:
        raise ValueError(NETWORKS_EXPECTED) from None


def read_origins(value: object) -> tuple[str, ...]:
    """Return origins in lower case from a list, or from text with commas."""
    origins = tuple(item.lower() for item in _items(value, ORIGINS_EXPECTED))
    if any(ORIGIN.fullmatch(origin) is None or DEFAULT_PORT.fullmatch(origin) for origin in origins):
        raise ValueError(ORIGINS_EXPECTED)
    return origins


def read_languages(value: object) -> tuple[str, ...]:
    """Return languages from a list, or from text with commas."""
    return check_languages(_items(value, LANGUAGES_EXPECTED))


def read_secret_keys(value: object) -> tuple[SecretStr, ...]:
    """Return keys from a list, or from text with commas; each must be long enough."""
    keys = [key.strip() for key in value.split(",") if key.strip()] if isinstance(value, str) else value
    if not isinstance(keys, list | tuple) or not all(isinstance(key, str | SecretStr) for key in keys):
        raise ValueError("must be keys, separated by commas")
    secrets = tuple(key if isinstance(key, SecretStr) else SecretStr(key) for key in keys)
    if any(len(key.get_secret_value()) < MIN_LENGTH for key in secrets):
        raise ValueError(f"each {LENGTH_EXPECTED}")
    return secrets


def lower_case(value: object) -> object:
    """Accept the words of a setting in either case."""
    return value.lower() if isinstance(value, str) else value


def check_database_url(value: str) -> str:
    """Return the URL in its normal form."""
    return normalize_url(value) if value else value


def check_redis_url(value: str) -> str:
    """Check a URL as the Redis client reads it; its error is not shown, because it may contain the password."""
    if value:
        import redis  # most servers have none
        from limits.errors import ConfigurationError
        from limits.storage import storage_from_string

        read: Any = storage_from_string if value.startswith("redis+sentinel:") else redis.ConnectionPool.from_url
        try:
            read(value)
        except (ValueError, TypeError, ConfigurationError):
            raise ValueError(
                "must be redis://…, rediss://…, unix://… or redis+sentinel://HOST:PORT,…/NAME, "
                "as the Redis client reads it"
            ) from None
    return value


def check_header_name(value: str) -> str:
    """Accept only a header name that no other spelling matches: WSGI reads Client_Cert as Client-Cert (PEP 3333)."""
    if value and not (value.isascii() and value.isalnum()):
        raise ValueError("must have letters and digits only, as in ClientCert, so that no other spelling passes for it")
    return value


def check_digest_file(value: Path | None) -> Path | None:
    """Check that the file begins with a line of the breached password list."""
    if value is not None and DIGEST_LINE.match(_first_bytes(value)) is None:
        raise ValueError("must be a file of sorted lines SHA-1[:count], as Have I Been Pwned publishes it")
    return value


def check_secret_key(value: SecretStr) -> SecretStr:
    """Check the length of a key that is set."""
    if value.get_secret_value() and len(value.get_secret_value()) < MIN_LENGTH:
        raise ValueError(LENGTH_EXPECTED)
    return value


def check_bearer_token(value: SecretStr) -> SecretStr:
    """Check that a client can send the token as a Bearer token."""
    if TOKEN.fullmatch(value.get_secret_value()) is None:
        raise ValueError("must have 16 to 200 letters, digits and ._~+/-, as a Bearer token has")
    return value


def check_first_secret(value: SecretStr) -> SecretStr:
    """Check the length of a first password or client secret that is set."""
    if value.get_secret_value() and not 12 <= len(value.get_secret_value()) <= 200:
        raise ValueError("must have 12 to 200 characters")
    return value


def check_sent_unchanged(value: SecretStr) -> SecretStr:
    """Check that every client sends the secret as it is, whether it form-encodes the secret or not."""
    if SENT_UNCHANGED.fullmatch(value.get_secret_value()) is None:
        raise ValueError(
            "must be printable ASCII without % and +:"
            " HTTP Basic has these form-encoded (RFC 6749 §2.3.1), and curl -u sends them as they are"
        )
    return value


def check_query_key(value: str) -> str:
    """Refuse the parameters that forward-auth reads itself."""
    if value in FORWARD_AUTH_PARAMETERS:
        raise ValueError(f"must not be {', '.join(FORWARD_AUTH_PARAMETERS)}: forward-auth reads these itself")
    return value


Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(read_networks)]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(read_origins)]
Languages = Annotated[tuple[str, ...], NoDecode, BeforeValidator(read_languages)]
Providers = Annotated[tuple[ProviderEntry, ...], NoDecode, BeforeValidator(read_entries)]
SecretKeys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(read_secret_keys)]
SecretKey = Annotated[SecretStr, AfterValidator(check_secret_key)]
BearerToken = Annotated[SecretStr, AfterValidator(check_bearer_token)]
FirstPassword = Annotated[SecretStr, AfterValidator(check_first_secret)]
FirstSecret = Annotated[SecretStr, AfterValidator(check_first_secret), AfterValidator(check_sent_unchanged)]
DatabaseUrl = Annotated[str, AfterValidator(check_database_url)]
RedisUrl = Annotated[str, AfterValidator(check_redis_url)]
SmtpUrl = Annotated[SecretStr, AfterValidator(check_smtp_url)]
Sender = Annotated[str, Field(max_length=400), AfterValidator(check_sender)]
HeaderName = Annotated[str, Field(max_length=64), AfterValidator(check_header_name)]
DigestFile = Annotated[Path | None, AfterValidator(check_digest_file)]
QueryKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,64}$"), AfterValidator(check_query_key)]
AnyCase = BeforeValidator(lower_case)


def _items(value: object, expected: str) -> list[str]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError(expected)
    return [text for item in items if (text := str(item).strip())]


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(100)
    except (OSError, ValueError):
        return b""
