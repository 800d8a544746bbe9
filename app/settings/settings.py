"""Frozen settings from the environment (LATCHKEY_…) and instance/latchkey.toml; what cannot work stops the start."""

from __future__ import annotations

import ipaddress
import math
import os
import re
import time
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from sqlalchemy.engine import make_url

from app.errors import BadSettings
from app.settings.addresses import Network, read_network
from app.settings.database_url import normalize_url, with_pooler
from app.settings.kept_key import SHORTEST, KeptKey
from app.settings.outside_text import plain
from app.settings.sources import (
    PREFIX,
    default_instance_dir,
    from_environment,
    from_settings_file,
    place_in_settings_file,
)

DAY = 86_400
TOO_SHORT = "must have 32 characters or more"
BREACHED = re.compile(rb"[0-9A-Fa-f]{40}(:\d+)?\r?(\n|$)")
FORWARD_AUTH_PARAMETERS = ("resource", "scope", "challenge")
SENT_AS_IT_IS = re.compile(r"[ -$&-*,-~]*")  # VSCHAR (RFC 6749 appendix A.2) without what form-decoding changes
NOT_SENT_AS_IT_IS = (
    "must be printable ASCII without % and +:"
    " HTTP Basic has these form-encoded (RFC 6749 §2.3.1), and curl -u sends them as they are"
)
PROXIES = "must be networks such as 10.0.0.0/8 or 2001:db8::1/128, separated by commas"
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
DEFAULT_PORT = re.compile(r"https:.*:443|http:.*:80")  # which no browser sends in Origin
ORIGINS = "must be origins such as https://app.example, no path and no default port, separated by commas"


class Settings(BaseSettings):
    """Everything that can be set. Lifetimes are seconds; the defaults are those of a single node on loopback."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    instance_dir: Path = Field(default_factory=default_instance_dir)
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    workers: int = Field(default=1, ge=1, le=128)
    keep_alive: int = Field(default=90, ge=1, le=3600)  # seconds; longer than the 60 of nginx and of AWS's balancers
    issuer: str = ""
    database_url: str = Field(default="", repr=False)  # may hold a password
    database_pooler: Literal["auto", "none", "transaction"] = "auto"
    redis_url: str = Field(default="", repr=False)
    secret_key: SecretStr = SecretStr("")
    previous_secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    signing_key_rotation: int = Field(default=90 * DAY, ge=0, le=3650 * DAY)
    jwks_max_age: int = Field(default=300, ge=1, le=DAY)
    pat_default_lifetime: int = Field(default=30 * DAY, ge=1, le=3650 * DAY)
    pat_max_lifetime: int | None = Field(default=None, ge=1, le=3650 * DAY)
    breached_passwords: Path | None = None
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    rate_limits: Literal["on", "off"] = "on"
    fast_lane: bool = True
    metrics_token: SecretStr = SecretStr("")
    allow_insecure_issuer: bool = False
    allow_private_jwks_uri: bool = False
    client_certificate_header: str = Field(default="", max_length=64)
    client_certificate_proxy: Literal["", "nginx", "traefik", "envoy", "alb", "alb-passthrough", "rfc9440"] = ""
    client_certificate_chain: Literal["checked", "unchecked"] = "checked"
    dpop_nonce: Literal["off", "required"] = "off"
    forward_auth_query_key: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{0,64}$")
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    bootstrap_admin_username: str = Field(default="admin", pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$")
    bootstrap_admin_password: SecretStr = SecretStr("")
    bootstrap_client_id: str = Field(default="", pattern=r"^[A-Za-z0-9._~-]{0,200}$")
    bootstrap_client_secret: SecretStr = SecretStr("")
    _keeps_its_key: bool = PrivateAttr(default=False)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what is handed in, then the environment, then the file; nothing else."""
        secret = secret_settings()
        read = from_environment(cls.model_fields, secret), from_settings_file(secret)
        return init_settings, *(InitSettingsSource(settings_cls, values) for values in read)

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> tuple[Network, ...]:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise ValueError(PROXIES)
        try:
            return tuple(read_network(str(item).strip()) for item in items if str(item).strip())
        except ValueError:
            raise ValueError(PROXIES) from None

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> tuple[str, ...]:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise ValueError(ORIGINS)
        origins = tuple(str(item).strip().lower() for item in items if str(item).strip())
        if any(ORIGIN.fullmatch(one) is None or DEFAULT_PORT.fullmatch(one) for one in origins):
            raise ValueError(ORIGINS)
        return origins

    @field_validator(
        "database_pooler",
        "rate_limits",
        "log_level",
        "dpop_nonce",
        "client_certificate_chain",
        "client_certificate_proxy",
        mode="before",
    )
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        return normalize_url(value) if value else value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        if value:
            import redis  # most servers have none
            from limits.errors import ConfigurationError
            from limits.storage import storage_from_string

            read = storage_from_string if value.startswith("redis+sentinel:") else redis.ConnectionPool.from_url
            try:
                read(value)
            except (ValueError, TypeError, ConfigurationError):  # its text may hold a piece of the password
                raise ValueError(
                    "must be redis://…, rediss://…, unix://… or redis+sentinel://HOST:PORT,…/NAME, "
                    "as the client of Redis reads it"
                ) from None
        return value

    @field_validator("client_certificate_header")
    @classmethod
    def _unmistakable(cls, value: str) -> str:
        if value and not (value.isascii() and value.isalnum()):  # Client_Cert is Client-Cert to WSGI (PEP 3333)
            raise ValueError("is letters and digits alone, as in ClientCert, so that no other spelling passes for it")
        return value

    @field_validator("breached_passwords")
    @classmethod
    def _sorted_digests(cls, value: Path | None) -> Path | None:
        first = b"" if value is None else _beginning(value)
        if value is not None and BREACHED.match(first) is None:
            raise ValueError("must be a file of sorted lines SHA-1[:count], as Have I Been Pwned has it")
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and len(value.get_secret_value()) < SHORTEST:
            raise ValueError(TOO_SHORT)
        return value

    @field_validator("metrics_token")
    @classmethod
    def _sendable(cls, value: SecretStr) -> SecretStr:
        if re.fullmatch(r"([A-Za-z0-9._~+/-]{16,200}=*)?", value.get_secret_value()) is None:  # RFC 6750 §2.1
            raise ValueError("must have 16 to 200 letters, digits and ._~+/-, as a Bearer token has")
        return value

    @field_validator("previous_secret_keys", mode="before")
    @classmethod
    def _each_long_enough(cls, value: object) -> tuple[SecretStr, ...]:
        keys = [key.strip() for key in value.split(",") if key.strip()] if isinstance(value, str) else value
        if not isinstance(keys, list | tuple) or not all(isinstance(key, str | SecretStr) for key in keys):
            raise ValueError("must be keys, separated by commas")
        made = tuple(key if isinstance(key, SecretStr) else SecretStr(key) for key in keys)
        if any(len(key.get_secret_value()) < SHORTEST for key in made):
            raise ValueError(f"each {TOO_SHORT}")
        return made

    @field_validator("bootstrap_admin_password", "bootstrap_client_secret")
    @classmethod
    def _strong_enough(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not 12 <= len(value.get_secret_value()) <= 200:
            raise ValueError("must have 12 to 200 characters")
        return value

    @field_validator("bootstrap_client_secret")
    @classmethod
    def _sent_as_it_is(cls, value: SecretStr) -> SecretStr:
        if SENT_AS_IT_IS.fullmatch(value.get_secret_value()) is None:
            raise ValueError(NOT_SENT_AS_IT_IS)
        return value

    @field_validator("forward_auth_query_key")
    @classmethod
    def _not_its_own(cls, value: str) -> str:
        if value in FORWARD_AUTH_PARAMETERS:
            raise ValueError(f"must not be {', '.join(FORWARD_AUTH_PARAMETERS)}: forward-auth reads these itself")
        return value

    @field_validator("*", mode="before")  # defined last, so that it runs before the others
    @classmethod
    def _plain_text(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return [plain(item) if isinstance(item, str) else item for item in value]
        return plain(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if self.pat_max_lifetime and self.pat_default_lifetime > self.pat_max_lifetime:
            if "pat_default_lifetime" in self.model_fields_set:
                raise ValueError("PAT_DEFAULT_LIFETIME is longer than PAT_MAX_LIFETIME")
            object.__setattr__(self, "pat_default_lifetime", self.pat_max_lifetime)
        if 0 < self.signing_key_rotation < self.publish_ahead:
            raise ValueError("SIGNING_KEY_ROTATION is shorter than twice JWKS_MAX_AGE (0: by hand only)")
        self._check_client_certificates()
        object.__setattr__(self, "issuer", self._checked_issuer())
        object.__setattr__(self, "database_url", self._absolute_database_url())
        return self

    def _check_client_certificates(self) -> None:
        if self.client_certificate_header and self.client_certificate_proxy:
            raise ValueError("CLIENT_CERTIFICATE_PROXY fixes the header: leave CLIENT_CERTIFICATE_HEADER out")
        if self.client_certificate_header and not self.trusted_proxies:
            raise ValueError("CLIENT_CERTIFICATE_HEADER needs TRUSTED_PROXIES: nobody else is believed about it")
        if self.client_certificate_proxy and not self.trusted_proxies:
            raise ValueError("CLIENT_CERTIFICATE_PROXY needs TRUSTED_PROXIES: nobody else is believed about it")
        if self.client_certificate_proxy == "alb-passthrough" and self.client_certificate_chain == "checked":
            raise ValueError("CLIENT_CERTIFICATE_PROXY alb-passthrough needs CLIENT_CERTIFICATE_CHAIN unchecked")

    def _checked_issuer(self) -> str:
        issuer = (self.issuer or f"http://{_url_host(self.host)}:{self.port}").rstrip("/")
        try:
            parts = urlsplit(issuer)
            host = parts.hostname
            parts.port  # noqa: B018 - raises when it is no number
        except ValueError:
            raise ValueError("ISSUER is not a URL") from None
        if parts.scheme not in ("http", "https") or not host or "?" in issuer or "#" in issuer or "@" in parts.netloc:
            raise ValueError("ISSUER must be an http(s) URL without query, fragment or user (RFC 8414 §2)")
        if not issuer.isascii() or any(c.isspace() or c in '"\\<>' for c in issuer):
            raise ValueError("ISSUER holds characters that no URL has")
        if parts.scheme == "http" and not _loopback(host) and not self.allow_insecure_issuer:
            raise ValueError("ISSUER is plain http off loopback: use https, or set ALLOW_INSECURE_ISSUER")
        return issuer

    def _absolute_database_url(self) -> str:
        if "?" in str(self.instance_dir):
            raise ValueError("INSTANCE_DIR has a ? in it, with which the rest of a database URL begins")
        if not self.database_url:
            return f"sqlite:///{self.instance_dir.absolute() / 'latchkey.db'}"
        url = make_url(self.database_url)
        if url.drivername == "sqlite" and url.database and not Path(url.database).is_absolute():
            return f"sqlite:///{self.instance_dir.absolute() / url.database}"
        return with_pooler(self.database_url, self.database_pooler)

    @property
    def management_identifier(self) -> str:
        """The resource indicator of our own management API."""
        return f"{self.issuer}/api/v1"

    @property
    def issuer_path(self) -> str:
        """The issuer's path: empty, or `/…` without a slash at its end."""
        return urlsplit(self.issuer).path

    @property
    def publish_ahead(self) -> int:
        """How many seconds a signing key is published before it signs: a verifier may read from a shared cache."""
        return 2 * self.jwks_max_age

    @property
    def keeps_its_key(self) -> bool:
        """Whether SECRET_KEY is the one in the instance folder, and not one that was set."""
        return self._keeps_its_key

    def secret_keys(self) -> tuple[str, ...]:
        """Give the accepted keys, first the one to seal with; what is kept in files is read anew at each call."""
        return self._secret_keys(time.time())

    def sealing_keys(self) -> tuple[str, ...]:
        """Give what may have sealed a signing key, first the one to seal with: kept ones too whose time is over."""
        return self._secret_keys(-math.inf)

    def _secret_keys(self, at: float) -> tuple[str, ...]:
        keys = [key.get_secret_value() for key in (self.secret_key, *self.previous_secret_keys)]
        if self._keeps_its_key:
            kept = KeptKey(self.instance_dir)
            keys = [kept.read_or_make(), *keys, *kept.previous(at)]
        return tuple(dict.fromkeys(keys))

    @property
    def fixes_first_credentials(self) -> bool:
        """Whether the first administrator and client are all set, so that no file needs to tell them."""
        secrets = self.bootstrap_admin_password, self.bootstrap_client_secret
        return bool(self.bootstrap_client_id) and all(secret.get_secret_value() for secret in secrets)

    @property
    def bootstrap_file(self) -> Path:
        """Where the first start writes the first credentials."""
        return self.instance_dir / "bootstrap.json"


def secret_settings() -> list[str]:
    """Return the names of the settings that `…_FILE` may name a file for: the secrets and all first credentials."""
    fields = Settings.model_fields.items()
    return [n for n, f in fields if not f.repr or "SecretStr" in str(f.annotation) or n.startswith("bootstrap_")]


def load_settings(**overrides: object) -> Settings:
    """Read the settings; `overrides` win over the environment, which wins over the file.

    Without a SECRET_KEY the kept one is taken, or made. Raises BadSettings with one line that names the setting, never
    its value.
    """
    settings = settings_as_given(**overrides)
    return settings if settings.secret_key.get_secret_value() else _with_kept_secret_key(settings)


def settings_as_given(**overrides: object) -> Settings:
    """Read the settings as `load_settings` does, and leave SECRET_KEY empty when it is not set."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        raise BadSettings(_one_line(error, given)) from None


def _with_kept_secret_key(settings: Settings) -> Settings:
    """Make SECRET_KEY at the first start and keep it beside the database, readable by the owner alone."""
    kept = KeptKey(settings.instance_dir).read_or_make()
    settings = settings.model_copy(update={"secret_key": SecretStr(kept)})
    settings._keeps_its_key = True
    return settings


def _one_line(error: ValidationError, given: Collection[str]) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    message = first["msg"].removeprefix("Value error, ")
    elsewhere = not name or name in given or f"{PREFIX}{name}".upper() in map(str.upper, os.environ)
    place = "" if elsewhere else place_in_settings_file(name)
    if first["type"] == "extra_forbidden":
        return f"unknown setting {ascii(name)[1:-1].upper()}{place}"
    return f"setting {name.upper()}: {message}{place}" if name else message


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(100)
    except (OSError, ValueError):
        return b""


def _url_host(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - "every interface" is no address to be reached at
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
