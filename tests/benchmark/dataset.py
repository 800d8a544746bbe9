"""A data set of a given size, made once and kept with the secrets that open it; a run works on a copy."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, select, text

from app import migrations, models
from app.access.scopes import Grants, Scopes
from app.actions.audit import chain as audit_chain
from app.credentials.exchanged import ExchangedTokens
from app.credentials.kind import Claims, Subject, Terms
from app.credentials.m2m import MachineTokens
from app.credentials.oauth_token import OAuthTokens
from app.credentials.pat import PersonalAccessTokens
from app.crypto.opaque import Prefix, mint
from app.crypto.signing import SigningKeys
from app.database.types import Base
from app.settings.load import load_settings
from tests import fork_server
from tests.benchmark import bulk
from tests.benchmark.databases import Database
from tests.benchmark.organisation import APP_OF_GRANTS, ORDERS, SCOPES, TOKEN_LIFETIME, Organisation, Proportions

LATCHKEY = Path(__file__).resolve().parents[2] / ".venv" / "bin" / "latchkey"
ISSUER = "http://127.0.0.1:8080"  # the same for every port: the JWTs contain it
HERE = Path(__file__).parent
FRESH = 20 * 86_400  # seconds that a data set serves: its PATs live 30 days
MOST_JWTS = 100_000  # signing a million takes minutes
BATCH = 1000  # events that are chained at once
SLACK = 7200  # seconds that a JWT must live on when a run begins


@dataclass(frozen=True, slots=True)
class DataSet:
    """A kept data set: an instance folder, a database, and files of secrets (mode 0600), one a line."""

    size: int
    name: str
    folder: Path
    database: Database

    @property
    def instance(self) -> Path:
        """The instance folder that is kept; no server ever runs in it."""
        return self.folder / "instance"

    def secrets(self, what: str) -> Path:
        """Return the file with the secrets of a kind."""
        return self.folder / "secrets" / what

    def copy(self, to: Path) -> str:
        """Copy the database and, to a folder, the instance; return the DATABASE_URL of the copy."""
        shutil.copytree(self.instance, to)
        self.database.copy(self.name, f"{to.name}-run")
        return self.database.url(f"{to.name}-run")


def environment(instance: Path, database_url: str) -> dict[str, str]:
    """Return the environment of a `latchkey` process: ours with the settings of a benchmark alone."""
    ours = {name: value for name, value in os.environ.items() if not name.upper().startswith("LATCHKEY_")}
    wanted = {"INSTANCE_DIR": str(instance), "DATABASE_URL": database_url, "ISSUER": ISSUER, "RATE_LIMITS": "off"}
    return ours | {f"LATCHKEY_{name}": value for name, value in wanted.items()}


def prepare_data_set(size: int, distinct: int, database: Database, bench: Path) -> DataSet:
    """Return the data set of this size with fresh JWTs; make it if it is missing, too old or made by other code."""
    name = f"{database.name}-{size}"
    data_set = DataSet(size, name, bench / "data" / name, database)
    stamp = data_set.folder / "stamp.json"
    wanted = {"size": size, "distinct": distinct, "code": _code()}
    if not _is_fresh(stamp, wanted):
        shutil.rmtree(data_set.folder, ignore_errors=True)
        data_set.secrets("").mkdir(parents=True, mode=0o700)
        _build(data_set, distinct)
        stamp.write_text(json.dumps(wanted | {"made_at": time.time()}), encoding="utf-8")
    _refresh_jwts(data_set, min(distinct, size, MOST_JWTS))
    return data_set


def _code() -> str:
    """Return a digest of the code that makes a data set: the schema and the modules that fill it."""
    files = [HERE / name for name in ("dataset.py", "organisation.py", "bulk.py")]
    made_of = b"".join(file.read_bytes() for file in files) + migrations.known_revisions()[-1].encode()
    return hashlib.sha256(made_of).hexdigest()[:16]


def _is_fresh(stamp: Path, wanted: dict[str, Any]) -> bool:
    if not stamp.exists():
        return False
    kept = json.loads(stamp.read_text(encoding="utf-8"))
    enough = min(kept["distinct"], kept["size"]) >= min(wanted["distinct"], kept["size"])  # fewer are used of more
    return bool(time.time() - kept["made_at"] < FRESH and enough and kept["code"] == wanted["code"])


def _build(data_set: DataSet, distinct: int) -> None:
    data_set.database.make(data_set.name)
    url = data_set.database.url(data_set.name)
    done = _init(environment(data_set.instance, url))
    if done.returncode:
        raise SystemExit(f"latchkey init: {done.stderr.strip()[-300:]}")
    organisation = Organisation(Proportions(data_set.size), distinct, datetime.now(UTC).replace(microsecond=0))
    engine = _engine(data_set)
    try:
        _fill(engine, organisation)
    finally:
        engine.dispose()
    _keep(data_set, organisation, min(distinct, data_set.size))


def _init(settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    if fork_server.is_shared():
        return fork_server.run(["init"], settings)
    return subprocess.run([LATCHKEY, "init"], env=settings, capture_output=True, text=True)


def _engine(data_set: DataSet) -> Engine:
    url = data_set.database.url(data_set.name)
    return create_engine(load_settings(instance_dir=data_set.instance, database_url=url or None).database_url)


def _fill(engine: Engine, organisation: Organisation) -> None:
    for model, rows in (
        (models.Resource, organisation.resources()),
        (models.Permission, organisation.permissions()),
        (models.Role, organisation.roles()),
        (models.RolePermission, organisation.role_permissions()),
        (models.User, organisation.users()),
        (models.UserRole, organisation.user_role_rows()),
        (models.Client, organisation.clients()),
        (models.ClientRole, organisation.client_roles()),
        (models.ClientServes, organisation.client_serves()),
        (models.ClientSecret, organisation.client_secrets()),
        (models.PersonalAccessToken, organisation.tokens()),
        (models.PersonalAccessTokenScope, organisation.token_scopes()),
        (models.ApiKey, organisation.keys()),
        (models.ApiKeySecret, organisation.key_secret_rows()),
        (models.Client, organisation.apps()),
        (models.AppGrant, organisation.app_grants()),
        (models.AppGrantScope, organisation.app_grant_scopes()),
        (models.RefreshToken, organisation.refresh_tokens()),
        (models.AuthorizationCode, organisation.authorization_codes()),
    ):
        bulk.insert(engine, Base.metadata.tables[model.__tablename__], rows)
    _trace(engine, organisation.audit_events())
    if engine.dialect.name == "postgresql":  # as autovacuum would, later
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _trace(engine: Engine, events: Iterator[Mapping[str, Any]]) -> None:
    """Append the events to the chain that `latchkey init` began."""
    with engine.begin() as connection:
        while some := list(islice(events, BATCH)):
            audit_chain.append(connection, some)


def _keep(data_set: DataSet, organisation: Organisation, wanted: int) -> None:
    kept = {
        "pat": organisation.pats.kept,
        "api-key": organisation.api_keys.kept,
        "client": organisation.clients_basic.kept,
        "server": [organisation.server_basic],
        "user": organisation.user_ids[:wanted],
        "code": organisation.codes,
        "refresh": [secret for _, secret in organisation.grants],
        "inactive": [mint(Prefix.PAT) for _ in range(wanted)],
        "malformed": [_mistype(mint(Prefix.PAT)) for _ in range(wanted)],
    }
    for what, secrets in kept.items():
        _write(data_set.secrets(what), secrets)


def _mistype(secret: str) -> str:
    return secret[:-1] + ("0" if secret[-1] != "0" else "1")


def _write(file: Path, lines: Iterable[str]) -> None:
    file.unlink(missing_ok=True)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
        out.writelines(f"{line}\n" for line in lines)


def _refresh_jwts(data_set: DataSet, wanted: int) -> None:
    files = [data_set.secrets(what) for what in ("m2m", "exchanged", "delegated")]
    if all(file.exists() and time.time() - file.stat().st_mtime < TOKEN_LIFETIME - SLACK for file in files):
        return
    settings = load_settings(
        instance_dir=data_set.instance, database_url=data_set.database.url(data_set.name) or None, issuer=ISSUER
    )
    engine = create_engine(settings.database_url)
    minting = _Jwts(engine, SigningKeys(settings.secret_key.get_secret_value()), data_set)
    signed = minting.machine(wanted), minting.exchanged(wanted), minting.delegated(wanted)
    for file, tokens in zip(files, signed, strict=True):
        _write(file, tokens)
    engine.dispose()


class _Jwts:
    """Signs tokens with the server's own keys."""

    def __init__(self, engine: Engine, keys: SigningKeys, data_set: DataSet) -> None:
        self._engine = engine
        self._keys = keys
        self._data_set = data_set
        self._now = datetime.now(UTC)

    def machine(self, wanted: int) -> list[str]:
        """Return M2M tokens of the clients in turn."""
        kind = MachineTokens(self._keys, ISSUER)
        with self._engine.connect() as connection:
            query = select(models.Client.client_id).where(models.Client.name.like("client %")).limit(wanted)
            ids = list(connection.execute(query).scalars())
            terms = self._terms()
            return [kind.issue(connection, Subject(ids[i % len(ids)]), terms).token for i in range(wanted)]

    def exchanged(self, wanted: int) -> list[str]:
        """Return tokens exchanged for the kept personal access tokens in turn."""
        pats = PersonalAccessTokens()
        kind = ExchangedTokens(self._keys, ISSUER, {pats.name: pats})
        secrets = self._data_set.secrets("pat").read_text(encoding="ascii").split()
        with self._engine.connect() as connection:
            sources = [pats.verify(connection, secret, self._now) for secret in secrets[:wanted]]
            live = [source for source in sources if isinstance(source, Claims)]
            return [
                kind.issue(connection, Subject(source=live[i % len(live)]), self._terms()).token
                for i in range(wanted)
                if live
            ]

    def delegated(self, wanted: int) -> list[str]:
        """Return OAuth tokens of the grants in turn."""
        kind = OAuthTokens(self._keys, ISSUER, f"{ISSUER}/api/v1")
        with self._engine.connect() as connection:
            grants = connection.execute(select(models.AppGrant.id, models.AppGrant.user_id).limit(wanted)).all()
            subjects = [Subject(id=user, client_id=APP_OF_GRANTS, grant_id=grant) for grant, user in grants]
            terms = self._terms()
            return [kind.issue(connection, subjects[i % len(subjects)], terms).token for i in range(wanted)]

    def _terms(self) -> Terms:
        grants = Grants({ORDERS: Scopes.of(*SCOPES)})
        ends = self._now + timedelta(seconds=TOKEN_LIFETIME)
        return Terms(at=self._now, expires_at=ends, audience=(ORDERS,), grants=grants)
