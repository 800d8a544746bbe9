"""The settings: frozen, checked when they are made, with the values that follow from them."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import make_url

from app.settings.checks import (
    AnyCase,
    BearerToken,
    DatabaseUrl,
    DigestFile,
    FirstPassword,
    FirstSecret,
    HeaderName,
    Languages,
    Networks,
    Origins,
    Providers,
    QueryKey,
    RedisUrl,
    SecretKey,
    SecretKeys,
    Sender,
    SmtpUrl,
)
from app.settings.database_url import with_pooler
from app.settings.identity_providers import check_entry_issuers
from app.settings.issuer import check_issuer, make_issuer
from app.settings.kept_key import KeptKey
from app.settings.languages import LANGUAGES
from app.settings.mail import SmtpServer, default_sender, read_sender, read_smtp_url
from app.settings.sources import PREFIX, default_instance_dir, from_environment, from_settings_file
from app.settings.text_input import clean_text

if TYPE_CHECKING:
    from email.headerregistry import Address

DAY = 86_400


class Settings(BaseSettings):
    """Everything that can be set. Lifetimes are seconds; the defaults suit a single node on loopback."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    instance_dir: Path = Field(default_factory=default_instance_dir)
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    workers: int = Field(default=1, ge=1, le=128)
    keep_alive: int = Field(default=90, ge=1, le=3600)  # seconds; longer than the 60 of nginx and of AWS's balancers
    issuer: str = ""
    database_url: DatabaseUrl = Field(default="", repr=False)  # may contain a password
    database_pooler: Annotated[Literal["auto", "none", "transaction"], AnyCase] = "auto"
    redis_url: RedisUrl = Field(default="", repr=False)
    smtp_url: SmtpUrl = SecretStr("")
    mail_from: Sender = ""
    secret_key: SecretKey = SecretStr("")
    previous_secret_keys: SecretKeys = ()
    signing_key_rotation: int = Field(default=90 * DAY, ge=0, le=3650 * DAY)
    audit_retention: int = Field(default=400, ge=0, le=36_500)  # days; 0: for ever
    status_list_ttl: int = Field(default=5, ge=1, le=3600)
    jwks_max_age: int = Field(default=300, ge=1, le=DAY)
    pat_default_lifetime: int = Field(default=30 * DAY, ge=1, le=3650 * DAY)
    pat_max_lifetime: int | None = Field(default=None, ge=1, le=3650 * DAY)
    refresh_token_lifetime: int = Field(default=30 * DAY, ge=60, le=3650 * DAY)
    grant_lifetime: int = Field(default=365 * DAY, ge=60, le=3650 * DAY)
    reuse: Annotated[Literal["", "revoke", "notice"], AnyCase] = ""
    breached_passwords: DigestFile = None
    trusted_proxies: Networks = ()
    rate_limits: Annotated[Literal["on", "off"], AnyCase] = "on"
    fast_lane: bool = True
    metrics_token: BearerToken = SecretStr("")
    allow_insecure_issuer: bool = False
    allow_private_jwks_uri: bool = False
    client_certificate_header: HeaderName = ""
    client_certificate_proxy: Annotated[
        Literal["", "nginx", "traefik", "envoy", "alb", "alb-passthrough", "rfc9440"], AnyCase
    ] = ""
    client_certificate_chain: Annotated[Literal["checked", "unchecked"], AnyCase] = "checked"
    dpop_nonce: Annotated[Literal["off", "required"], AnyCase] = "off"
    forward_auth_query_key: QueryKey = ""
    allowed_origins: Origins = ()
    registration: Annotated[Literal["off", "token", "open"], AnyCase] = "off"
    client_id_metadata: Annotated[Literal["off", "on"], AnyCase] = "off"
    identity_provider: Providers = ()
    passwords: Annotated[Literal["on", "administrators", "off"], AnyCase] = "on"
    languages: Languages = LANGUAGES
    require_second_factor: Annotated[Literal["", "off", "administrators", "everybody"], AnyCase] = ""
    keep_addresses: Annotated[Literal["network", "full"], AnyCase] = "network"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], AnyCase] = "info"
    bootstrap_admin_username: str = Field(default="admin", pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$")
    bootstrap_admin_password: FirstPassword = SecretStr("")
    bootstrap_client_id: str = Field(default="", pattern=r"^[A-Za-z0-9._~-]{0,200}$")
    bootstrap_client_secret: FirstSecret = SecretStr("")
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
        """Read the arguments, then the environment, then the file, and nothing else."""
        secret = secret_settings()
        read = from_environment(cls.model_fields, secret), from_settings_file(secret)
        return init_settings, *(InitSettingsSource(settings_cls, values) for values in read)

    @field_validator("*", mode="before")
    @classmethod
    def _clean_text(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return [clean_text(item) if isinstance(item, str) else item for item in value]
        return clean_text(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_together(self) -> Settings:
        self._check_lifetimes()
        self._check_client_certificates()
        issuer = self.issuer or make_issuer(self.host, self.port)
        object.__setattr__(self, "issuer", check_issuer(issuer, self.allow_insecure_issuer))
        self._check_identity_providers()
        object.__setattr__(self, "database_url", self._absolute_database_url())
        return self

    def _check_lifetimes(self) -> None:
        if self.pat_max_lifetime and self.pat_default_lifetime > self.pat_max_lifetime:
            if "pat_default_lifetime" in self.model_fields_set:
                raise ValueError("PAT_DEFAULT_LIFETIME is longer than PAT_MAX_LIFETIME")
            object.__setattr__(self, "pat_default_lifetime", self.pat_max_lifetime)
        if 0 < self.signing_key_rotation < self.publish_ahead:
            raise ValueError("SIGNING_KEY_ROTATION is shorter than twice JWKS_MAX_AGE (0: by hand only)")

    def _check_client_certificates(self) -> None:
        if self.client_certificate_header and self.client_certificate_proxy:
            raise ValueError("CLIENT_CERTIFICATE_PROXY fixes the header: leave CLIENT_CERTIFICATE_HEADER out")
        if self.client_certificate_header and not self.trusted_proxies:
            raise ValueError("CLIENT_CERTIFICATE_HEADER needs TRUSTED_PROXIES: only they may send a certificate")
        if self.client_certificate_proxy and not self.trusted_proxies:
            raise ValueError("CLIENT_CERTIFICATE_PROXY needs TRUSTED_PROXIES: only they may send a certificate")
        if self.client_certificate_proxy == "alb-passthrough" and self.client_certificate_chain == "checked":
            raise ValueError("CLIENT_CERTIFICATE_PROXY alb-passthrough needs CLIENT_CERTIFICATE_CHAIN unchecked")

    def _check_identity_providers(self) -> None:
        try:
            check_entry_issuers(self.identity_provider, self.issuer, private=self.allow_private_jwks_uri)
        except ValueError as error:
            raise ValueError(f"setting IDENTITY_PROVIDER: {error}") from None

    def _absolute_database_url(self) -> str:
        if "?" in str(self.instance_dir):
            raise ValueError("INSTANCE_DIR contains a ?, which starts the query of a database URL")
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

    def with_kept_key(self, *, make: bool = True) -> Settings:
        """Return a copy whose SECRET_KEY is the one in the instance folder; with `make`, it is made when missing."""
        file = KeptKey(self.instance_dir)
        kept = file.read_or_make() if make else file.read()
        copy = self.model_copy(update={"secret_key": SecretStr(kept)})
        copy._keeps_its_key = True
        return copy

    def secret_keys(self) -> tuple[str, ...]:
        """Return the accepted keys, the one to seal with first; kept keys are read from their files at each call."""
        return self._secret_keys(time.time())

    def sealing_keys(self) -> tuple[str, ...]:
        """Return the keys that may have sealed a signing key, the current one first; expired kept keys included."""
        return self._secret_keys(-math.inf)

    def _secret_keys(self, at: float) -> tuple[str, ...]:
        keys = [key.get_secret_value() for key in (self.secret_key, *self.previous_secret_keys)]
        if self._keeps_its_key:
            kept = KeptKey(self.instance_dir)
            keys = [kept.read_or_make(), *keys, *kept.previous(at)]
        return tuple(dict.fromkeys(keys))

    @property
    def fixes_first_credentials(self) -> bool:
        """Whether the first administrator and client are all set, so that no file has to be written."""
        secrets = self.bootstrap_admin_password, self.bootstrap_client_secret
        return bool(self.bootstrap_client_id) and all(secret.get_secret_value() for secret in secrets)

    @property
    def smtp_server(self) -> SmtpServer | None:
        """The server that takes our mail; None where no mail is sent."""
        url = self.smtp_url.get_secret_value()
        return read_smtp_url(url) if url else None

    @property
    def mail_sender(self) -> Address:
        """The address that mail comes from: MAIL_FROM, else `latchkey` at the issuer's host."""
        host = urlsplit(self.issuer).hostname or ""
        return read_sender(self.mail_from) if self.mail_from else default_sender(host)

    @property
    def database_file(self) -> Path | None:
        """The file of an SQLite database; None for another database."""
        url = make_url(self.database_url)
        return Path(url.database) if url.drivername == "sqlite" and url.database else None

    @property
    def bootstrap_file(self) -> Path:
        """The file into which the first start writes the first credentials."""
        return self.instance_dir / "bootstrap.json"


def secret_settings() -> list[str]:
    """Return the names of the settings that `…_FILE` may name a file for: the secrets and all first credentials."""
    fields = Settings.model_fields.items()
    return [n for n, f in fields if not f.repr or "SecretStr" in str(f.annotation) or n.startswith("bootstrap_")]
