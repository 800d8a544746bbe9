"""Back an instance on SQLite up into one file, and put it into a new one: the database, and the key that seals it.

A backup holds no secret of anybody's, but what opens the signing keys: keep it like them.
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
from app.settings.settings import Settings
from app.settings.text_input import clean_text, decode_utf8, read_file

FORMAT = 1
MANIFEST, DATABASE, SECRET_KEY = "manifest.json", "latchkey.db", "secret_key"
LARGEST_NOTE = 65_536  # bytes of a manifest or a key that are read
PATIENCE = 30.0  # seconds to wait for a lock
UNREADABLE = (OSError, sqlite3.Error, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what a backup of ours is packed with
ELSEWHERE = (
    "PostgreSQL keeps its own backups: `pg_dump --format=custom` and `pg_restore`; keep the SECRET_KEY beside them"
)


class BackupRefused(LatchkeyError):
    """A backup cannot be made or put back, for the reason that it tells."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself; `members` are the SHA-256 digests of its files."""

    made_at: str
    issuer: str
    members: dict[str, str]
    format: int = FORMAT


def back_up(settings: Settings, target: Path, at: datetime, *, with_secret_key: bool = True) -> Manifest:
    """Write a backup that its owner alone can read; the server may go on. The file is there whole or not at all.

    Raises BackupRefused: the file exists, the database is not SQLite's, cannot be read, or there is no room; and
    BadSettings when no accepted SECRET_KEY opens its signing keys.
    """
    source = _database_of(settings)
    if target.exists() or target.is_symlink():
        raise BackupRefused(f"{target} is there already")
    if not source.is_file():
        raise BackupRefused("there is no database to back up: `latchkey doctor` says more")
    try:
        with _workplace(target.absolute().parent) as place:
            _copy_database(source, place / DATABASE)
            accepted = settings.sealing_keys()  # after the copy: it may have been replaced meanwhile
            _seal_under_one(place / DATABASE, accepted)
            if with_secret_key:
                (place / SECRET_KEY).write_text(accepted[0], encoding="utf-8")
            manifest = _packed(place, settings.issuer, at)
            _appear(place / "packed", target)
    except FileExistsError:
        raise BackupRefused(f"{target} is there already") from None
    except (OSError, sqlite3.Error) as error:
        raise BackupRefused(f"the backup cannot be written: {error}") from None
    return manifest


def restore(settings: Settings, source: Path) -> Manifest:
    """Put a backup into the instance folder of these settings, which must not have a database yet.

    Raises BackupRefused, and leaves nothing behind, when the file is no whole backup of ours or would overwrite.
    """
    target = _database_of(settings)
    for path in (target, target.with_name(f"{target.name}-wal")):
        if path.exists():
            raise BackupRefused(f"{path} is there already: a backup goes into a new instance only")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _workplace(target.parent) as place:
            settings.instance_dir.mkdir(parents=True, exist_ok=True)
            manifest = _unpacked(source, place)
            _put(place, target, settings)
    except FileExistsError as error:
        raise BackupRefused(f"{error.filename2 or error.filename} is there already") from None
    except UNREADABLE as error:
        raise BackupRefused(f"{source} cannot be restored: {error or type(error).__name__}") from None
    return manifest


def _database_of(settings: Settings) -> Path:
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite" or url.database is None:
        raise BackupRefused(ELSEWHERE)
    return Path(url.database)


@contextlib.contextmanager
def _workplace(beside: Path) -> Iterator[Path]:
    """Give a folder of the owner's alone on the same file system, gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix=".latchkey-", dir=beside))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _copy_database(source: Path, target: Path) -> None:
    """Copy what is committed by now in one step, which no writer can make start again (SQLite's online backup)."""
    with (
        contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as running,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        running.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        _refuse_broken(copy)


def _seal_under_one(database: Path, accepted: Sequence[str]) -> None:
    """Let the present SECRET_KEY alone open the copy, though SECRET_KEY is being changed: a backup holds no other."""
    engine = create_engine(URL.create("sqlite", database=str(database)))
    try:
        with Session(engine) as session, session.begin():
            SigningKeys(lambda: accepted).reseal(session)
    finally:
        engine.dispose()


def _refuse_broken(database: sqlite3.Connection) -> None:
    told = database.execute("PRAGMA integrity_check(1)").fetchone()
    if told != ("ok",):
        raise BackupRefused("the database is damaged: SQLite's integrity check failed")


def _packed(place: Path, issuer: str, at: datetime) -> Manifest:
    names = [name for name in (DATABASE, SECRET_KEY) if (place / name).exists()]
    manifest = Manifest(at.isoformat(timespec="seconds"), issuer, {name: _digest(place / name) for name in names})
    with zipfile.ZipFile(_owners(place / "packed"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json.dumps(asdict(manifest), indent=2))
        for name in names:
            archive.write(place / name, name)
    with open(place / "packed", "rb") as written:
        os.fsync(written.fileno())
    return manifest


def _owners(path: Path) -> Path:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return path


def _copied(source: Path, target: Path) -> Path:
    with open(source, "rb") as held:
        return _written(held, target)


def _written(held: IO[bytes], target: Path) -> Path:
    """Write a new file for its owner alone, and on the disk when this returns."""
    with open(_owners(target), "wb") as file:
        shutil.copyfileobj(held, file)
        file.flush()
        os.fsync(file.fileno())
    return target


def _unpacked(source: Path, place: Path) -> Manifest:
    """Take the members that a backup has, by their names, each as its digest says."""
    with zipfile.ZipFile(source) as archive:
        manifest = _read_manifest(archive)
        for name, wanted in manifest.members.items():
            with archive.open(name) as packed:
                _written(packed, place / name)
            if _digest(place / name) != wanted:
                raise BackupRefused(f"{source} was changed: {name} is not what it was")
    with contextlib.closing(sqlite3.connect(place / DATABASE)) as database:
        _refuse_broken(database)
    return manifest


def _read_manifest(archive: zipfile.ZipFile) -> Manifest:
    no_backup = BackupRefused(f"{archive.filename} is no backup of Latchkey")
    if any(member.compress_type not in PACKINGS for member in archive.infolist()):
        raise no_backup
    try:
        with archive.open(MANIFEST) as file:
            told: Any = json.loads(file.read(LARGEST_NOTE))
        manifest = Manifest(**told)
        names = set(manifest.members)
        datetime.fromisoformat(manifest.made_at)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise no_backup from None
    if not isinstance(manifest.members, dict) or not _printable(manifest.issuer) or not _printable(manifest.made_at):
        raise no_backup
    if manifest.format != FORMAT:
        raise BackupRefused(f"{archive.filename} was written by another version of Latchkey")
    if DATABASE not in names or names - {DATABASE, SECRET_KEY}:
        raise no_backup
    if sorted(archive.namelist()) != sorted({*names, MANIFEST}):
        raise no_backup
    return manifest


def _printable(told: object) -> bool:
    """Tell whether this is a text that does not speak to the terminal."""
    return isinstance(told, str) and told.isascii() and told.isprintable()


def _put(place: Path, target: Path, settings: Settings) -> None:
    """Move into place what was checked: first the key, without which the start would make another."""
    kept, key = place / SECRET_KEY, settings.instance_dir / SECRET_KEY
    own = settings.secret_key.get_secret_value() or (_key_in(key) if key.exists() else "")
    if not kept.exists() and not own:
        raise BackupRefused("the backup is without its SECRET_KEY: set it, or put the file secret_key in place, first")
    if kept.exists() and own and _key_in(kept) != own:
        raise BackupRefused("this instance has another SECRET_KEY than the backup: take it away first")
    if kept.exists() and not own:
        with _workplace(key.parent) as beside:  # another disk, maybe, than the database's
            _appear(_copied(kept, beside / SECRET_KEY), key)
    _appear(place / DATABASE, target)


def _key_in(path: Path) -> str:
    """Read a SECRET_KEY by the rules that the server reads it by; raise BackupRefused when it cannot be read."""
    try:
        return clean_text(decode_utf8(read_file(path))).strip()
    except ValueError as error:
        raise BackupRefused(f"{path} {error}") from None


def _appear(source: Path, target: Path) -> None:
    """Let a finished file appear at once, and never over another; raises FileExistsError."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # not every disk knows links
        if target.exists():
            raise FileExistsError(errno.EEXIST, "there already", str(target)) from None
        source.rename(target)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
