"""Back up an instance on SQLite into one file, and restore it into a new instance: the database and its SECRET_KEY.

A backup contains no credential in clear, but it opens the signing keys: protect it like them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import Session

from app.crypto.signing import SigningKeys
from app.errors import LatchkeyError
from app.models.status_list import CAPACITY
from app.settings.settings import Settings
from app.settings.text_input import clean_text, decode_utf8, read_file

FORMAT = 1
MANIFEST, DATABASE, SECRET_KEY = "manifest.json", "latchkey.db", "secret_key"
MAX_MANIFEST = 65_536  # bytes that are read
SKIPPED_LISTS = 4_096  # more than are begun between a backup and its restore: one or two a day
PATIENCE = 30.0  # seconds to wait for a lock
UNREADABLE = (OSError, sqlite3.Error, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # that our backups use
NOT_SQLITE = (
    "PostgreSQL keeps its own backups: `pg_dump --format=custom` and `pg_restore`; keep the SECRET_KEY beside them"
)


class BackupRefused(LatchkeyError):
    """A backup cannot be made or restored."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of a backup; `members` are the SHA-256 digests of its files."""

    made_at: str
    issuer: str
    members: dict[str, str]
    format: int = FORMAT


def back_up(settings: Settings, target: Path, at: datetime, *, with_secret_key: bool = True) -> Manifest:
    """Write a backup that only its owner can read, complete or not at all; the server may keep running.

    Raise BackupRefused when the file exists, the database is not SQLite or cannot be read, or the disk is full; and
    BadSettings when no accepted SECRET_KEY opens the signing keys.
    """
    source = _database_of(settings)
    if target.exists() or target.is_symlink():
        raise BackupRefused(f"{target} already exists")
    if not source.is_file():
        raise BackupRefused("there is no database to back up: run `latchkey doctor`")
    try:
        with _temporary_folder(target.absolute().parent) as place:
            _copy_database(source, place / DATABASE)
            accepted = settings.sealing_keys()  # after the copy: it may have been replaced meanwhile
            _seal_under_one(place / DATABASE, accepted)
            if with_secret_key:
                (place / SECRET_KEY).write_text(accepted[0], encoding="utf-8")
            manifest = _pack(place, settings.issuer, at)
            _publish(place / "packed", target)
    except FileExistsError:
        raise BackupRefused(f"{target} already exists") from None
    except (OSError, sqlite3.Error) as error:
        raise BackupRefused(f"the backup cannot be written: {error}") from None
    return manifest


def restore(settings: Settings, source: Path) -> Manifest:
    """Restore a backup into the instance folder of these settings, which must not have a database yet.

    Raise BackupRefused, and change nothing, when the file is not a complete backup or would overwrite something.
    """
    target = _database_of(settings)
    for path in (target, target.with_name(f"{target.name}-wal")):
        if path.exists():
            raise BackupRefused(f"{path} already exists: a backup can only be restored into a new instance")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _temporary_folder(target.parent) as place:
            settings.instance_dir.mkdir(parents=True, exist_ok=True)
            manifest = _unpack(source, place)
            _install(place, target, settings)
    except FileExistsError as error:
        raise BackupRefused(f"{error.filename2 or error.filename} already exists") from None
    except UNREADABLE as error:
        raise BackupRefused(f"{source} cannot be restored: {error or type(error).__name__}") from None
    return manifest


def _database_of(settings: Settings) -> Path:
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite" or url.database is None:
        raise BackupRefused(NOT_SQLITE)
    return Path(url.database)


@contextlib.contextmanager
def _temporary_folder(beside: Path) -> Iterator[Path]:
    """Make a folder for the owner alone on the same file system, and delete it afterwards."""
    place = Path(tempfile.mkdtemp(prefix=".latchkey-", dir=beside))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _copy_database(source: Path, target: Path) -> None:
    """Copy the committed state in one step, which no writer can restart (SQLite's online backup)."""
    with (
        contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as running,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        running.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        _check_integrity(copy)


def _seal_under_one(database: Path, accepted: Sequence[str]) -> None:
    """Seal the copy under the current SECRET_KEY only: the backup contains no other, also while the key is changed."""
    engine = create_engine(URL.create("sqlite", database=str(database)))
    try:
        with Session(engine) as session, session.begin():
            SigningKeys(lambda: accepted).reseal(session)
    finally:
        engine.dispose()


def _check_integrity(database: sqlite3.Connection) -> None:
    result = database.execute("PRAGMA integrity_check(1)").fetchone()
    if result != ("ok",):
        raise BackupRefused("the database is damaged: SQLite's integrity check failed")


def _pack(place: Path, issuer: str, at: datetime) -> Manifest:
    names = [name for name in (DATABASE, SECRET_KEY) if (place / name).exists()]
    manifest = Manifest(at.isoformat(timespec="seconds"), issuer, {name: _digest(place / name) for name in names})
    with zipfile.ZipFile(_create_private(place / "packed"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json.dumps(asdict(manifest), indent=2))
        for name in names:
            archive.write(place / name, name)
    with open(place / "packed", "rb") as written:
        os.fsync(written.fileno())
    return manifest


def _create_private(path: Path) -> Path:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return path


def _copy_file(source: Path, target: Path) -> Path:
    with open(source, "rb") as stream:
        return _write_file(stream, target)


def _write_file(stream: IO[bytes], target: Path) -> Path:
    """Write a new file for its owner alone, and sync it to the disk."""
    with open(_create_private(target), "wb") as file:
        shutil.copyfileobj(stream, file)
        file.flush()
        os.fsync(file.fileno())
    return target


def _unpack(source: Path, place: Path) -> Manifest:
    """Extract the members of a backup by name, and check their digests."""
    with zipfile.ZipFile(source) as archive:
        manifest = _read_manifest(archive)
        for name, wanted in manifest.members.items():
            with archive.open(name) as packed:
                _write_file(packed, place / name)
            if _digest(place / name) != wanted:
                raise BackupRefused(f"{source} was changed: the digest of {name} does not match")
    with contextlib.closing(sqlite3.connect(place / DATABASE)) as database, database:
        _check_integrity(database)
        _end_status_lists(database)
    return manifest


def _end_status_lists(database: sqlite3.Connection) -> None:
    """Have no list and no index be used twice: JWTs that were issued after the backup name others than it knows."""
    if database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'status_list'").fetchone():
        database.execute(
            "UPDATE status_list SET lost_from = min(used, coalesce(lost_from, used)), used = ?", [CAPACITY]
        )
        newest = (
            "INSERT INTO status_list (number, ends_at, used) SELECT coalesce(max(number), 0) + ?, 0, ? FROM status_list"
        )
        database.execute(newest, [SKIPPED_LISTS, CAPACITY])


def _read_manifest(archive: zipfile.ZipFile) -> Manifest:
    not_a_backup = BackupRefused(f"{archive.filename} is not a backup of Latchkey")
    if any(member.compress_type not in COMPRESSIONS for member in archive.infolist()):
        raise not_a_backup
    try:
        with archive.open(MANIFEST) as file:
            content: Any = json.loads(file.read(MAX_MANIFEST))
        manifest = Manifest(**content)
        names = set(manifest.members)
        datetime.fromisoformat(manifest.made_at)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise not_a_backup from None
    if (
        not isinstance(manifest.members, dict)
        or not _is_printable(manifest.issuer)
        or not _is_printable(manifest.made_at)
    ):
        raise not_a_backup
    if manifest.format != FORMAT:
        raise BackupRefused(f"{archive.filename} was written by another version of Latchkey")
    if DATABASE not in names or names - {DATABASE, SECRET_KEY}:
        raise not_a_backup
    if sorted(archive.namelist()) != sorted({*names, MANIFEST}):
        raise not_a_backup
    return manifest


def _is_printable(value: object) -> bool:
    """Return whether this is a text that is safe to print on a terminal."""
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _install(place: Path, target: Path, settings: Settings) -> None:
    """Move the checked files into place: the key first, because a start without it would make another."""
    kept, key = place / SECRET_KEY, settings.instance_dir / SECRET_KEY
    own = settings.secret_key.get_secret_value() or (_key_in(key) if key.exists() else "")
    if not kept.exists() and not own:
        raise BackupRefused("the backup has no SECRET_KEY: first set it, or put the file secret_key in place")
    if kept.exists() and own and _key_in(kept) != own:
        raise BackupRefused("this instance has another SECRET_KEY than the backup: remove it first")
    if kept.exists() and not own:
        with _temporary_folder(key.parent) as beside:  # maybe on another disk than the database
            _publish(_copy_file(kept, beside / SECRET_KEY), key)
    _publish(place / DATABASE, target)


def _key_in(path: Path) -> str:
    """Read a SECRET_KEY as the server does; raise BackupRefused when it cannot be read."""
    try:
        return clean_text(decode_utf8(read_file(path))).strip()
    except ValueError as error:
        raise BackupRefused(f"{path} {error}") from None


def _publish(source: Path, target: Path) -> None:
    """Put a finished file in place atomically, never over another; raise FileExistsError."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # not every file system has links
        if target.exists():
            raise FileExistsError(errno.EEXIST, "already exists", str(target)) from None
        source.rename(target)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
