"""The SECRET_KEY of a single node: made at the first start, kept beside the database, replaced without a gap."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from app.errors import BadSettings
from app.settings.outside_text import decode, plain, read_file

SHORTEST = 32  # characters of a secret key


class KeptKey:
    """The file `secret_key`, and beside it `secret_key.previous`: a line a key, until when it counts and the key."""

    def __init__(self, folder: Path) -> None:
        """Take the instance folder; nothing is read or made yet."""
        self.path = folder / "secret_key"
        self.previous_path = folder / "secret_key.previous"

    def read_or_make(self) -> str:
        """Give the key, made when there is none; raises BadSettings when the file cannot be used."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists():
                _write_once(self.path, secrets.token_urlsafe(48))
            kept = plain(decode(self.path.read_bytes())).strip()
        except OSError as error:
            raise BadSettings(f"{self.path} cannot be read or written: {_why(error)}") from None
        except ValueError as error:
            raise BadSettings(f"{self.path} {error}") from None
        if len(kept) < SHORTEST:
            raise BadSettings(f"{self.path} holds no usable key: restore it from a backup")
        return kept

    def previous(self, at: float) -> tuple[str, ...]:
        """Give the keys of before that count at this time (seconds since 1970), oldest first; raises BadSettings."""
        return tuple(key for until, key in self._previous() if until > at)

    def replace(self, until: float) -> None:
        """Make a new key; the present one counts `until` then. Whoever dies in the midst loses none of them.

        Only one may do so at a time. Raises BadSettings when the files cannot be written.
        """
        present = self.read_or_make()
        kept = [(end, key) for end, key in self._previous() if key != present]
        self._keep([*kept, (until, present)])  # before it is needed
        self._put(self.path, secrets.token_urlsafe(48))

    def forget(self, at: float) -> None:
        """Drop the keys whose time is over; only for who saw that nothing is sealed by one of before, and alone.

        Raises BadSettings when the file cannot be written.
        """
        previous = self._previous()
        kept = [(end, key) for end, key in previous if end > at]
        if kept != previous:
            self._keep(kept)

    def _keep(self, previous: Sequence[tuple[float, str]]) -> None:
        self._put(self.previous_path, "".join(f"{end:.0f} {key}\n" for end, key in previous))

    def _put(self, path: Path, text: str) -> None:
        try:
            os.replace(_written(path, text), path)
        except OSError as error:
            raise BadSettings(f"{path} cannot be written: {_why(error)}") from None

    def _previous(self) -> list[tuple[float, str]]:
        try:
            lines = decode(read_file(self.previous_path)).splitlines()
            pairs = [line.split(" ", 1) for line in lines]
            return [(float(until), key) for until, key in pairs]
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise BadSettings(f"{self.previous_path} cannot be read: {_why(error)}") from None


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _write_once(path: Path, text: str) -> None:
    """Put a file where none is, whole or not at all, for its owner alone; whoever comes second changes nothing."""
    pending = _written(path, text)
    with contextlib.suppress(FileExistsError):
        os.link(pending, path)
    pending.unlink()


def _written(path: Path, text: str) -> Path:
    """Write a file beside its place, for its owner alone, and on the disk when this returns."""
    pending = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with open(os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return pending
