"""The first start makes our API a resource, an administrator, a client and the keys; later ones keep them true."""

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

LOCK = 0x1A7C4E2  # of a start
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
    "keys:read": "see the signing keys",
    "keys:write": "rotate the signing keys",
    "audit:read": "read the audit events",
}


@dataclass(frozen=True, slots=True)
class FirstCredentials:
    """What instance/bootstrap.json holds."""

    issuer: str
    admin_username: str
    admin_password: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)


class Bootstrap:
    """Make a migrated database usable. A start that was killed half-way is completed by the next one."""

    def __init__(
        self, settings: Settings, store: Store, keys: SigningKeys, hash_password: Callable[[str], str], clock: Clock
    ) -> None:
        self._settings = settings
        self._store = store
        self._keys = keys
        self._hash_password = hash_password
        self._clock = clock

    def __call__(self, *, moving: bool = True) -> bool:
        """Tell whether this was the first start; `moving` lets our API follow the issuer of these settings.

        Raises BadSettings when the database and the settings do not fit.
        """
        file = BootstrapFile(self._settings.bootstrap_file)
        try:
            first = self._in_one_transaction(file, moving)
        except IntegrityError:
            raise BadSettings("another resource has the identifier or a permission of the management API") from None
        file.settle(self._is_kept, self._settings.issuer if moving else None)
        return first

    def _in_one_transaction(self, file: BootstrapFile, moving: bool) -> bool:
        now = self._clock()
        with self._store.transaction() as session:
            advisory_lock(session, LOCK)
            own = session.scalar(select(Resource).where(Resource.built_in))
            if own is None:
                first = self._first_credentials()
                self._write(file, first)  # before the commit: what is kept can always be read
                self._create(session, first, now)
            else:
                if moving:
                    self._move(session, own, now)
                _add_missing(session, own)
                drop_dormant_scopes(session, SERVER, now)  # of demotions before this was done at once
            self._keys.ensure(session, now)
            if self._settings.keeps_its_key:  # nobody else seals here, and what was before it may end
                self._keys.reseal(session)
            _sweep(session, now)
            session.flush()
            self._keys.check_seal(session)
            chain_the_unchained(session.connection())
        return own is None

    def _write(self, file: BootstrapFile, first: FirstCredentials) -> None:
        """Write the file; where it cannot be, go on if the settings fix all that it would hold."""
        try:
            file.write_pending(first)
        except OSError as error:
            if not self._settings.fixes_first_credentials:
                raise BadSettings(
                    f"{self._settings.bootstrap_file} cannot be written ({error.strerror}): make its folder"
                    " writable, or set BOOTSTRAP_ADMIN_PASSWORD, BOOTSTRAP_CLIENT_ID and BOOTSTRAP_CLIENT_SECRET"
                ) from None

    def _move(self, session: Session, own: Resource, now: datetime) -> None:
        """Let our API's identifier follow the issuer."""
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
        _trace(session, "resource", own.id, now, identifier=own.identifier)
        user = _user(first, _role(session, "administrator", "user", manage, now), now)
        user.password_digest = self._hash_password(first.admin_password)
        client = _client(first, _role(session, "machine-administrator", "machine", manage, now), now)
        session.add_all([user, client])
        _trace(session, "user", user.id, now, username=user.username)
        _trace(session, "client", client.client_id, now, name=client.name)

    def _is_kept(self, first: FirstCredentials) -> bool:
        query = select(ClientSecret.id).join(Client, Client.id == ClientSecret.client_id)
        mine = Client.client_id == first.client_id, ClientSecret.digest == digest(first.client_secret)
        with self._store.reading() as session:
            return session.scalar(query.where(*mine)) is not None


class BootstrapFile:
    """instance/bootstrap.json: written beside its place before the commit, and moved there after it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pending = path.with_suffix(".pending")

    def write_pending(self, first: FirstCredentials) -> None:
        """Write the file beside its place. Raises OSError when that cannot be."""
        _write(self._pending, first)

    def settle(self, is_kept: Callable[[FirstCredentials], bool], issuer: str | None) -> None:
        """Move what was kept to its place and drop what was not; then let the file name the present issuer."""
        pending = _read(self._pending)  # a start that was killed may have left it
        if pending is not None and is_kept(pending):
            with contextlib.suppress(FileNotFoundError):  # another start was faster
                self._pending.replace(self._path)
        else:
            with contextlib.suppress(OSError):  # there is none, or the folder is read-only
                self._pending.unlink()
        first = _read(self._path)
        if first is not None and issuer is not None and first.issuer != issuer:
            with contextlib.suppress(OSError):  # of a read-only folder: `latchkey doctor` says what is out of date
                _write(self._pending, replace(first, issuer=issuer))
                self._pending.replace(self._path)


def _read(path: Path) -> FirstCredentials | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return FirstCredentials(**kept)
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, first: FirstCredentials) -> None:
    """Write the whole file or none, readable by its owner alone, and on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(first), file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def _add_missing(session: Session, own: Resource) -> None:
    """Add what newer code brings."""
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
    _trace(session, "role", role.id, now, name=name)
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
        hint=hint(secret) if ours else "…",  # one that was chosen may be short: show nothing of it
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


def _trace(session: Session, kind: str, target: str, now: datetime, **details: str) -> None:
    record(session, SERVER, f"{kind}.create", kind, target, now, **details)


def _sweep(session: Session, now: datetime) -> None:
    """Forget denials and windows that time has overtaken."""
    delete_expired(session, RevokedToken, RevokedToken.expires_at <= now)
    delete_expired(session, UsedAssertion, UsedAssertion.expires_at <= now)
    delete_expired(session, UsedProof, UsedProof.expires_at <= now)
    delete_expired(session, SpentLimit, SpentLimit.ends_at <= now)
