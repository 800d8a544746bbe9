"""The SECRET_KEY of a single node: made at the first start, kept beside the database, replaced without downtime."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from app.errors import BadSettings
from app.settings.text_input import clean_text, decode_utf8, read_file

MIN_LENGTH = 32  # characters
MEND = "restore it from a backup, set SECRET_KEY, or run `latchkey init` for a new instance"


class KeptKey:
    """The file `secret_key`, and `secret_key.previous` with a line per earlier key: its expiry and the key."""

    def __init__(self, folder: Path) -> None:
        """Take the instance folder; nothing is read or made yet."""
        self.path = folder / "secret_key"
        self.previous_path = folder / "secret_key.previous"

    def read_or_make(self) -> str:
        """Return the key, and make it when there is none; raise BadSettings when the file cannot be used."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists():
                _create_file(self.path, secrets.token_urlsafe(48))
        except OSError as error:
            raise BadSettings(f"{self.path} cannot be read or written: {_reason(error)}") from None
        return self.read()

    def read(self) -> str:
        """Return the key; raise BadSettings when there is none, or the file cannot be used."""
        try:
            kept = clean_text(decode_utf8(self.path.read_bytes())).strip()
        except FileNotFoundError:
            raise BadSettings(f"{self.path} does not exist: {MEND}") from None
        except OSError as error:
            raise BadSettings(f"{self.path} cannot be read or written: {_reason(error)}") from None
        except ValueError as error:
            raise BadSettings(f"{self.path} {error}") from None
        if len(kept) < MIN_LENGTH:
            raise BadSettings(f"{self.path} contains no usable key: restore it from a backup")
        return kept

    def previous(self, at: float) -> tuple[str, ...]:
        """Return the earlier keys that are accepted at this time (seconds since 1970), oldest first.

        Raise BadSettings when the file cannot be read.
        """
        return tuple(key for until, key in self._read_previous() if until > at)

    def replace(self, until: float) -> None:
        """Make a new key; the current one is accepted until `until`. A crash at any point loses neither of them.

        Callers must not run it concurrently. Raise BadSettings when the files cannot be written.
        """
        current = self.read_or_make()
        earlier = [(end, key) for end, key in self._read_previous() if key != current]
        self._write_previous([*earlier, (until, current)])  # first, so that a crash loses no key
        _replace_file(self.path, secrets.token_urlsafe(48))

    def drop_expired(self, at: float) -> None:
        """Drop the keys that have expired; call it only when nothing is sealed by an earlier key, and not concurrently.

        Raise BadSettings when the file cannot be written.
        """
        previous = self._read_previous()
        kept = [(end, key) for end, key in previous if end > at]
        if kept != previous:
            self._write_previous(kept)

    def _write_previous(self, previous: Sequence[tuple[float, str]]) -> None:
        _replace_file(self.previous_path, "".join(f"{end:.0f} {key}\n" for end, key in previous))

    def _read_previous(self) -> list[tuple[float, str]]:
        try:
            lines = decode_utf8(read_file(self.previous_path)).splitlines()
            pairs = [line.split(" ", 1) for line in lines]
            return [(float(until), key) for until, key in pairs]
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise BadSettings(f"{self.previous_path} cannot be read: {_reason(error)}") from None


def _replace_file(path: Path, text: str) -> None:
    try:
        os.replace(_write_beside(path, text), path)
    except OSError as error:
        raise BadSettings(f"{path} cannot be written: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _create_file(path: Path, text: str) -> None:
    """Create the file for its owner alone, complete or not at all; leave it alone when another process created it."""
    pending = _write_beside(path, text)
    with contextlib.suppress(FileExistsError):
        os.link(pending, path)
    pending.unlink()


def _write_beside(path: Path, text: str) -> Path:
    """Write a temporary file beside `path`, for its owner alone, and sync it to the disk."""
    pending = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with open(os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return pending
