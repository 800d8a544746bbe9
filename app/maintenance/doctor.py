"""Check an installation: what is wrong with it, and how to fix it."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from sqlalchemy import exists, select, text
from sqlalchemy.exc import SQLAlchemyError

from app import migrations
from app.access.rbac import grants_of_client, grants_of_user
from app.actions.audit.actor import MANAGE
from app.actions.audit.redact import RedactAudit
from app.actions.sign_in.factors import FactorPolicy, find_administrators
from app.clock import system_clock
from app.crypto.note_keys import NoteKeys
from app.crypto.signing import SigningKeys
from app.database.engines import write_obstacle
from app.database.store import Store
from app.errors import BadSettings
from app.maintenance.provider_checks import NO_WAY_IN, find_shut_out, find_unknown_roles, has_way_in
from app.maintenance.retention import count_rows
from app.models import AuditEvent, Client, Resource, SigningKey, User
from app.settings.kept_key import KeptKey
from app.settings.settings import Settings

LATE = timedelta(days=2)  # by which a deletion may be late
TOLERANCE = timedelta(hours=1)  # by which a rotation may be late
SET_UP = "run `latchkey init`, or start the server with `latchkey serve`"
RESEAL = "run `latchkey secret-key reseal`, once every node has the current SECRET_KEY"
Verdict = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `mend` says how to fix it."""

    check: str
    verdict: Verdict
    found: str
    mend: str = ""


def run_checks(settings: Settings, store: Store, keys: SigningKeys) -> list[Finding]:
    """Run every check that needs no running server, up to the first that the later ones depend on."""
    deleted = not settings.bootstrap_file.exists()
    findings = [*_modes(settings), *([] if deleted else [_bootstrap(settings)]), _proxies(settings), _database(store)]
    if findings[-1].verdict == "problem":
        return findings
    findings += [*([_kept_elsewhere(settings)] if deleted else []), _writes(store), *_pooler(settings, store)]
    people = _administrator, _factors, _sign_in
    for check in (_seal, _rotation, _own_resource, *people, _audit_trail, _audit_retention, _sizes):
        findings.append(check(settings, store, keys))
    return findings


def check_missing_files(settings: Settings) -> list[Finding]:
    """Report the files without which no other check can run: they would be made by it."""
    findings = []
    if settings.database_file and not settings.database_file.exists():
        findings.append(Finding("database", "problem", f"{settings.database_file} does not exist", SET_UP))
    key = KeptKey(settings.instance_dir).path
    if not settings.secret_key.get_secret_value() and not key.exists():
        mend = SET_UP if findings else "restore it from a backup, or set SECRET_KEY: the signing keys are sealed by it"
        findings.append(Finding("secret key", "problem", f"{key} does not exist", mend))
    return findings


def _modes(settings: Settings) -> Iterator[Finding]:
    kept = KeptKey(settings.instance_dir)
    for path in (settings.bootstrap_file, kept.path, kept.previous_path, settings.database_file):
        if path is not None and path.exists():
            yield _mode(path)


def _mode(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding(f"mode of {path.name}", "problem", f"{mode:04o}: others can read it", f"chmod 600 {path}")
    return Finding(f"mode of {path.name}", "ok", f"{mode:04o}")


def _bootstrap(settings: Settings) -> Finding:
    path = settings.bootstrap_file
    try:
        issuer = json.loads(path.read_text(encoding="utf-8"))["issuer"]
    except (OSError, ValueError, KeyError, TypeError):
        return Finding("first credentials", "warning", f"{path} cannot be read", "restore it, or delete it")
    if issuer != settings.issuer:
        mend = "set ISSUER, or pass the server's --host and --port as LATCHKEY_HOST and LATCHKEY_PORT"
        return Finding("issuer", "warning", f"the server last ran as {issuer}, here it is {settings.issuer}", mend)
    return Finding("issuer", "ok", settings.issuer)


def _kept_elsewhere(settings: Settings) -> Finding:
    found = f"{settings.bootstrap_file} does not exist, as it should be once they are kept elsewhere"
    return Finding("first credentials", "ok", found)


def _proxies(settings: Settings) -> Finding:
    if settings.issuer.startswith("https:") and not settings.trusted_proxies:
        mend = "set TRUSTED_PROXIES to the proxy's network, or API keys see the proxy's address instead of the caller's"
        return Finding("trusted proxies", "warning", "none, although a proxy must terminate https", mend)
    return Finding("trusted proxies", "ok", ", ".join(map(str, settings.trusted_proxies)) or "none")


def _database(store: Store) -> Finding:
    try:
        with store.connection() as connection:
            state = migrations.state(connection)
    except SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", type(error).__name__)).split())
        return Finding("database", "problem", reason, "check that it runs, and that DATABASE_URL is right")
    findings: dict[migrations.State, Finding] = {
        "current": Finding("database", "ok", f"reachable ({store.dialect}) and migrated"),
        "empty": Finding("database", "problem", "it is empty", SET_UP),
        "older": Finding("database", "problem", "older than this code", SET_UP),
        "newer": Finding("database", "problem", "newer than this code", "install the newer Latchkey"),
    }
    return findings[state]


def _writes(store: Store) -> Finding:
    with store.connection() as connection:
        obstacle = write_obstacle(connection)
    if obstacle:
        return Finding("writes", "problem", obstacle, "make the database writable: until then nothing can be changed")
    return Finding("writes", "ok", "the database accepts them")


def _pooler(settings: Settings, store: Store) -> Iterator[Finding]:
    """Report a pooler between the server and PostgreSQL, and whether DATABASE_POOLER fits it."""
    if store.dialect != "postgresql":
        return
    from app.database.postgresql import find_pooler

    found, chosen = find_pooler(store.engine), settings.database_pooler
    if found == "none":
        yield Finding("pooler", "ok", "none was found between Latchkey and PostgreSQL")
    elif found == "unknown":
        yield Finding("pooler", "warning", "the database refused a further connection", "run it again under less load")
    elif chosen != "none":
        yield Finding("pooler", "ok", f"one was found; DATABASE_POOLER={chosen} keeps no state in its sessions")
    elif found == "transaction":
        reason = "one shares its sessions (pgbouncer in transaction mode): prepared statements fail there"
        yield Finding("pooler", "problem", reason, "set DATABASE_POOLER=transaction")
    else:
        reason = "one was found, and DATABASE_POOLER=none keeps prepared statements and timeouts in its sessions"
        yield Finding("pooler", "warning", reason, "set DATABASE_POOLER=transaction, unless it pools sessions")


def _seal(_settings: Settings, store: Store, keys: SigningKeys) -> Finding:
    missing = Finding("signing keys", "problem", "there is none", SET_UP)
    with store.connection() as connection:
        if not connection.execute(select(exists().where(SigningKey.state == "active"))).scalar():
            return missing
        try:
            keys.check_seal(connection)
        except BadSettings as error:
            return Finding(
                "signing keys", "problem", str(error), "restore the SECRET_KEY setting or the secret_key file"
            )
        if old := keys.sealed_before(connection):
            return Finding("signing keys", "warning", f"{old} sealed under a previous SECRET_KEY", RESEAL)
    return Finding("signing keys", "ok", "SECRET_KEY opens them")


def _rotation(settings: Settings, store: Store, keys: SigningKeys) -> Finding:
    if not settings.signing_key_rotation:
        return Finding("rotation", "ok", "the signing keys are rotated by hand")
    with store.connection() as connection:
        due = keys.turn(connection).began_at + timedelta(seconds=settings.signing_key_rotation)
    if due + TOLERANCE < datetime.now(UTC):
        mend = "check that a server runs and what it logs, or run `latchkey signing-key rotate`"
        return Finding("rotation", "warning", f"the active signing key was due on {due:%Y-%m-%d}", mend)
    return Finding("rotation", "ok", f"the signing keys are due on {due:%Y-%m-%d}")


def _own_resource(settings: Settings, store: Store, _keys: SigningKeys) -> Finding:
    with store.connection() as connection:
        identifier = connection.execute(select(Resource.identifier).where(Resource.built_in)).scalar()
    if identifier == settings.management_identifier:
        return Finding("management API", "ok", identifier)
    mend = "start the server with the issuer that clients use"
    return Finding("management API", "warning", f"is {identifier}, which does not match the issuer", mend)


def _administrator(settings: Settings, store: Store, _keys: SigningKeys) -> Finding:
    with store.connection() as connection:
        for query, grants in (
            (select(Client.id, Client.client_id).where(Client.enabled), grants_of_client),
            (select(User.id, User.username).where(User.enabled), grants_of_user),
        ):
            for row_id, name in connection.execute(query).all():
                if MANAGE in grants(connection, row_id).scopes:
                    return Finding("administrator", "ok", f"{name} holds {MANAGE}")
    mend = "`latchkey role create --name rescue --type user --permission manage`, then assign it to a user"
    return Finding("administrator", "problem", f"no user or client holds {MANAGE}", mend)


def _factors(settings: Settings, store: Store, _keys: SigningKeys) -> Finding:
    """Name the administrators who can lose their only way in: without a spare factor, or without a factor they need."""
    with store.reading() as session:
        administrators = find_administrators(session)
        required = FactorPolicy(settings.require_second_factor).requires(session, manages=True)
    single = [one.username for one in administrators if one.factors == 1 and not one.recovery_codes]
    missing = [one.username for one in administrators if required and not one.factors]
    if single:
        found = f"{_names(single)} would be locked out by the loss of one device: no recovery code is left"
        mend = "let them make new codes at /account/second-factor; `latchkey user reset-factors NAME` helps from here"
        return Finding("second factors", "warning", found, mend)
    if missing:
        found = f"{_names(missing)} must set one up at the next sign-in: until then the password alone is theirs"
        return Finding("second factors", "warning", found, "let them sign in, and open /account/second-factor")
    number = sum(1 for one in administrators if one.factors)
    return Finding("second factors", "ok", f"{number} of {len(administrators)} administrators have one")


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _sign_in(settings: Settings, store: Store, _keys: SigningKeys) -> Finding:
    if not has_way_in(settings, store):
        return Finding("sign-in", "problem", "passwords are off, and there is no other way in", NO_WAY_IN)
    if shut_out := find_shut_out(settings, store):
        found = f"passwords are off, and {_names(shut_out)} cannot sign in: no passkey or linked account is theirs"
        mend = "run `latchkey user identity add NAME --provider ID --subject SUB`, or set PASSWORDS to administrators"
        return Finding("sign-in", "warning", found, mend)
    if unknown := find_unknown_roles(settings, store):
        found = (
            f"identity providers give roles that do not exist for users ({unknown[0]}{', …' if unknown[1:] else ''})"
        )
        return Finding("sign-in", "warning", found, "make the role, or correct the provider's roles")
    return Finding("sign-in", "ok", f"passwords are {settings.passwords}")


def _audit_trail(settings: Settings, store: Store, _keys: SigningKeys) -> Finding:
    found = RedactAudit(store, NoteKeys(settings.sealing_keys), system_clock).find()
    if found:
        first = ", ".join(map(str, found[:5])) + (", …" if len(found) > 5 else "")
        mend = "run `latchkey audit redact`, and revoke what it names: every holder of audit:read can read it"
        return Finding("audit trail", "problem", f"{len(found)} events contain secrets ({first})", mend)
    return Finding("audit trail", "ok", "no event contains a secret")


def _audit_retention(settings: Settings, store: Store, _keys: SigningKeys) -> Finding:
    with store.connection() as connection:
        first = select(AuditEvent.at).order_by(AuditEvent.id).limit(1)
        oldest = connection.execute(first).scalar()
    days = settings.audit_retention
    found = f"from {oldest:%Y-%m-%d} on" if oldest else "no event"
    if days and oldest and oldest < datetime.now(UTC) - timedelta(days=days) - LATE:
        mend = "check that a server runs and what it logs, and run `latchkey audit verify`"
        return Finding("audit retention", "warning", f"{found}, although they are kept for {days} days", mend)
    return Finding("audit retention", "ok", f"{found}, kept " + (f"for {days} days" if days else "for ever"))


def _sizes(_settings: Settings, store: Store, _keys: SigningKeys) -> Finding:
    rows = ", ".join(f"{table} {count:,}" for table, count in count_rows(store).items() if count)
    size = "pg_database_size(current_database())"
    if store.dialect == "sqlite":
        size = "page_count * page_size FROM pragma_page_count, pragma_page_size"
    with store.connection() as connection:
        total = connection.execute(text(f"SELECT {size}")).scalar_one()
    return Finding("size", "ok", f"{total / 1e6:,.1f} MB; rows: {rows or 'none'}")
