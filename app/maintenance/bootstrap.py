"""Bootstrap: the first start creates our API's resource, an administrator, a client and keys; later ones update."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.actions.audit.actor import MANAGE, SERVER
from app.actions.audit.chain import chain_the_unchained
from app.actions.audit.record import record
from app.actions.directory.administrators import drop_dormant_scopes
from app.actions.sign_in.passwords import GENERATED
from app.clock import Clock
from app.crypto.opaque import Prefix, digest, hint, mint, prefix_of
from app.crypto.signing import SigningKeys
from app.database.locks import advisory_lock
from app.database.statements import delete_expired
from app.database.store import Store
from app.database.types import new_id
from app.errors import BadSettings
from app.models import (
    Client,
    ClientSecret,
    Permission,
    Resource,
    RevokedToken,
    Role,
    SpentLimit,
    UsedAssertion,
    UsedProof,
    User,
)
from app.settings.settings import Settings

LOCK = 0x1A7C4E2  # taken by a start
PERMISSIONS = {  # of our own API
    MANAGE: "everything, on every object",
    "introspect": "ask about any credential",
    "resources:read": "see resources and their permissions",
    "resources:write": "change resources and their permissions",
    "roles:read": "see roles",
    "roles:write": "change roles",
    "users:read": "see users",
    "users:write": "change users",
    "clients:read": "see clients",
    "clients:write": "change clients and their secrets",
    "api-keys:read": "see API keys",
    "api-keys:write": "issue, change, rotate and revoke API keys",
    "tokens:read": "see personal access tokens, inspect any credential",
    "tokens:write": "create and revoke users' personal access tokens",
    "identity-providers:read": "see identity providers",
    "identity-providers:write": "change identity providers",
    "keys:read": "see the signing keys",
    "keys:write": "rotate the signing keys",
    "audit:read": "read the audit events",
    "scim": "keep users and provisioned groups as a directory says (SCIM)",
}


@dataclass(frozen=True, slots=True)
class FirstCredentials:
    """The content of instance/bootstrap.json."""

    issuer: str
    admin_username: str
    admin_password: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)


class Bootstrap:
    """Makes a migrated database usable. A start after a crash completes the interrupted one."""

    def __init__(
        self, settings: Settings, store: Store, keys: SigningKeys, hash_password: Callable[[str], str], clock: Clock
    ) -> None:
        self._settings = settings
        self._store = store
        self._keys = keys
        self._hash_password = hash_password
        self._clock = clock

    def __call__(self, *, follow_issuer: bool = True) -> bool:
        """Return whether this was the first start; `follow_issuer` updates our API's identifier to the issuer.

        Raise BadSettings when the database and the settings do not fit.
        """
        file = BootstrapFile(self._settings.bootstrap_file)
        try:
            first = self._in_one_transaction(file, follow_issuer)
        except IntegrityError:
            raise BadSettings("another resource has the identifier or a permission of the management API") from None
        file.settle(self._is_stored, self._settings.issuer if follow_issuer else None)
        return first

    def _in_one_transaction(self, file: BootstrapFile, follow_issuer: bool) -> bool:
        now = self._clock()
        with self._store.transaction() as session:
            advisory_lock(session, LOCK)
            own = session.scalar(select(Resource).where(Resource.built_in))
            if own is None:
                first = self._first_credentials()
                self._write(file, first)  # before the commit: credentials in the database are always in the file
                self._create(session, first, now)
            else:
                if follow_issuer:
                    self._update_identifier(session, own, now)
                _add_missing(session, own)
                drop_dormant_scopes(session, SERVER, now)  # left by demotions in older versions
            self._keys.ensure(session, now)
            if self._settings.keeps_its_key:  # no other node seals here, so that earlier keys may end
                self._keys.reseal(session)
            _delete_expired(session, now)
            session.flush()
            self._keys.check_seal(session)
            chain_the_unchained(session.connection())
        return own is None

    def _write(self, file: BootstrapFile, first: FirstCredentials) -> None:
        """Write the file; on failure, continue when the settings fix all of its content."""
        try:
            file.write_pending(first)
        except OSError as error:
            if not self._settings.fixes_first_credentials:
                raise BadSettings(
                    f"{self._settings.bootstrap_file} cannot be written ({error.strerror}): make its folder"
                    " writable, or set BOOTSTRAP_ADMIN_PASSWORD, BOOTSTRAP_CLIENT_ID and BOOTSTRAP_CLIENT_SECRET"
                ) from None

    def _update_identifier(self, session: Session, own: Resource, now: datetime) -> None:
        """Change our API's identifier when the issuer has changed."""
        if own.identifier != self._settings.management_identifier:
            own.identifier = self._settings.management_identifier
            record(session, SERVER, "resource.update", "resource", own.id, now, identifier=own.identifier)

    def _first_credentials(self) -> FirstCredentials:
        chosen = self._settings
        return FirstCredentials(
            issuer=chosen.issuer,
            admin_username=chosen.bootstrap_admin_username,
            admin_password=chosen.bootstrap_admin_password.get_secret_value() or secrets.token_urlsafe(18),
            client_id=chosen.bootstrap_client_id or new_id("client"),
            client_secret=chosen.bootstrap_client_secret.get_secret_value() or mint(Prefix.CLIENT_SECRET),
        )

    def _create(self, session: Session, first: FirstCredentials, now: datetime) -> None:
        own = Resource(
            id=new_id("res"),
            identifier=self._settings.management_identifier,
            name="Latchkey management API",
            built_in=True,
            created_at=now,
        )
        session.add(own)
        _add_missing(session, own)
        manage = next(permission for permission in own.permissions if permission.name == MANAGE)
        _record_creation(session, "resource", own.id, now, identifier=own.identifier)
        user = _user(first, _role(session, "administrator", "user", manage, now), now)
        user.password_digest = self._hash_password(first.admin_password)
        if not self._settings.bootstrap_admin_password.get_secret_value():
            user.password_until = now + GENERATED
        client = _client(first, _role(session, "machine-administrator", "machine", manage, now), now)
        session.add_all([user, client])
        _record_creation(session, "user", user.id, now, username=user.username)
        _record_creation(session, "client", client.client_id, now, name=client.name)

    def _is_stored(self, first: FirstCredentials) -> bool:
        query = select(ClientSecret.id).join(Client, Client.id == ClientSecret.client_id)
        mine = Client.client_id == first.client_id, ClientSecret.digest == digest(first.client_secret)
        with self._store.reading() as session:
            return session.scalar(query.where(*mine)) is not None


class BootstrapFile:
    """instance/bootstrap.json: written as a temporary file before the commit, and renamed after it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pending = path.with_suffix(".pending")

    def write_pending(self, first: FirstCredentials) -> None:
        """Write the temporary file; raise OSError."""
        _write(self._pending, first)

    def settle(self, is_stored: Callable[[FirstCredentials], bool], issuer: str | None) -> None:
        """Rename the temporary file when its credentials are stored, else delete it; then update the file's issuer."""
        pending = _read(self._pending)  # possibly left by a crashed start
        if pending is not None and is_stored(pending):
            with contextlib.suppress(FileNotFoundError):  # another start renamed it
                self._pending.replace(self._path)
        else:
            with contextlib.suppress(OSError):  # it does not exist, or the folder is read-only
                self._pending.unlink()
        first = _read(self._path)
        if first is not None and issuer is not None and first.issuer != issuer:
            with contextlib.suppress(OSError):  # read-only: `latchkey doctor` reports the outdated issuer
                _write(self._pending, replace(first, issuer=issuer))
                self._pending.replace(self._path)


def _read(path: Path) -> FirstCredentials | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return FirstCredentials(**kept)
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, first: FirstCredentials) -> None:
    """Write the file for its owner alone, and sync it to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(first), file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def _add_missing(session: Session, own: Resource) -> None:
    """Add the permissions of newer versions."""
    present = {permission.name for permission in own.permissions}
    for name, description in PERMISSIONS.items():
        if name not in present:
            own.permissions.append(Permission(id=new_id("perm"), name=name, description=description))
    session.flush()


def _role(session: Session, name: str, type: str, permission: Permission, now: datetime) -> Role:
    role = Role(
        id=new_id("role"),
        name=name,
        type=type,
        description="may do everything here",
        created_at=now,
        permissions=[permission],
    )
    session.add(role)
    _record_creation(session, "role", role.id, now, name=name)
    return role


def _user(first: FirstCredentials, role: Role, now: datetime) -> User:
    return User(
        id=new_id("usr"),
        username=first.admin_username,
        display_name="Administrator",
        created_at=now,
        roles=[role],
    )


def _client(first: FirstCredentials, role: Role, now: datetime) -> Client:
    secret = first.client_secret
    ours = prefix_of(secret) is Prefix.CLIENT_SECRET
    kept = ClientSecret(
        id=new_id("sec"),
        name="bootstrap",
        digest=digest(secret),
        hint=hint(secret) if ours else "…",  # a secret from the settings may be short: show nothing of it
        created_at=now,
    )
    return Client(
        id=new_id("cli"),
        client_id=first.client_id,
        name="bootstrap",
        token_endpoint_auth_method="client_secret_basic",  # noqa: S106 - the method's name
        created_at=now,
        roles=[role],
        secrets=[kept],
    )


def _record_creation(session: Session, kind: str, target: str, now: datetime, **details: str) -> None:
    record(session, SERVER, f"{kind}.create", kind, target, now, **details)


def _delete_expired(session: Session, now: datetime) -> None:
    """Delete expired denials and rate-limit windows."""
    delete_expired(session, RevokedToken, RevokedToken.expires_at <= now)
    delete_expired(session, UsedAssertion, UsedAssertion.expires_at <= now)
    delete_expired(session, UsedProof, UsedProof.expires_at <= now)
    delete_expired(session, SpentLimit, SpentLimit.ends_at <= now)
