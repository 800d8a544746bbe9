"""`latchkey secret-key rotate` loses no signing key, even when it crashes or the old key is deleted at once."""

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli import main
from app.crypto.signing import SigningKeys
from app.settings.kept_key import KeptKey
from tests.cli.test_backup import latchkey


class Dies(BaseException):
    """Raised to end the command like a kill: files and transactions stay as they are."""


@pytest.fixture(autouse=True)
def _settings(instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "SECRET_KEY", "PREVIOUS_SECRET_KEYS"):
        monkeypatch.delenv(f"LATCHKEY_{name}", raising=False)
    monkeypatch.setenv("LATCHKEY_INSTANCE_DIR", str(instance))


def run(*arguments: str) -> int:
    done = CliRunner().invoke(main, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code


def dies_at(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, *, after: bool) -> None:
    """Make `secret-key rotate` crash before or after this function."""
    real = getattr(owner, name)

    def dying(*arguments: Any, **named: Any) -> Any:
        if after:
            real(*arguments, **named)
        raise Dies

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, dying)
        with pytest.raises(Dies):
            CliRunner().invoke(main, ["secret-key", "rotate", "--keep", "0"])


def kids(instance: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(instance / "latchkey.db")) as database:
        return [kid for (kid,) in database.execute("SELECT kid FROM signing_key ORDER BY kid")]


def read_sealed(instance: Path) -> list[bytes]:
    with contextlib.closing(sqlite3.connect(instance / "latchkey.db")) as database:
        return [sealed for (sealed,) in database.execute("SELECT sealed_private_key FROM signing_key")]


def test_the_old_key_can_be_dropped_at_once(instance: Path) -> None:
    for _ in range(3):
        before = (instance / "secret_key").read_text()
        assert run("secret-key", "rotate", "--keep", "0") == 0
        assert (instance / "secret_key").read_text() != before
        assert KeptKey(instance).previous_path.read_text() == "", "nothing is sealed by it, and its time is over"
    assert run("doctor") == 0


@pytest.mark.parametrize("command", [["secret-key", "reseal"], ["secret-key", "rotate"], ["init"]])
@pytest.mark.parametrize("times", [1, 2])
def test_a_rotation_that_crashed_before_resealing_can_be_repeated(
    instance: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], times: int
) -> None:
    first, known = (instance / "secret_key").read_text(), kids(instance)
    for _ in range(times):
        dies_at(monkeypatch, KeptKey, "replace", after=True)
    assert first in KeptKey(instance).previous_path.read_text() and (instance / "secret_key").read_text() != first
    assert run("backup", str(tmp_path / "backup")) == 0
    assert run(*command) == 0
    assert run("secret-key", "rotate", "--keep", "0") == run("secret-key", "reseal") == 0
    assert KeptKey(instance).previous_path.read_text().count("\n") == (command[-1] == "rotate")
    assert kids(instance) == known
    assert run("doctor") == 0


def test_an_old_key_is_dropped_only_after_the_resealed_keys_are_committed(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (instance / "secret_key").read_text()
    dies_at(monkeypatch, SigningKeys, "sealed_before", after=False)
    assert first in KeptKey(instance).previous_path.read_text()
    assert run("secret-key", "reseal") == 0
    assert KeptKey(instance).previous_path.read_text() == ""


def test_a_key_that_another_rotation_left_in_use_is_not_dropped(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = SigningKeys.sealed_before

    def overtaken(self: SigningKeys, session: Any) -> int:
        KeptKey(instance).replace(0)  # like another `rotate` that crashed in between
        return real(self, session)

    with monkeypatch.context() as patched:
        patched.setattr(SigningKeys, "sealed_before", overtaken)
        assert run("secret-key", "rotate", "--keep", "0") == 0
    assert run("secret-key", "reseal") == 0 and run("doctor") == 0


def test_a_signing_key_that_no_key_opens_is_reported_before_the_rotation(instance: Path) -> None:
    (instance / "secret_key").write_text("k" * 64)
    before = read_sealed(instance)
    assert run("secret-key", "rotate") == 2
    assert (instance / "secret_key").read_text() == "k" * 64 and not KeptKey(instance).previous_path.exists()
    assert read_sealed(instance) == before


def test_a_key_of_any_letters_and_a_folder_of_any_name_are_kept(tmp_path: Path) -> None:
    old, new, folder = tmp_path / "old", tmp_path / "new", tmp_path / "what? #1 ключ"
    for place in (old, folder):
        place.mkdir()
    (old / "secret_key").write_text("ключ " * 10, encoding="utf-8")
    (old / "secret_key").chmod(0o600)
    assert latchkey(old, "init").exit_code == 0
    assert latchkey(old, "backup", folder / "backup").exit_code == 0
    assert [path.name for path in folder.iterdir()] == ["backup"]
    assert latchkey(new, "restore", folder / "backup").exit_code == 0
    assert latchkey(new, "secret-key", "rotate").exit_code == 0
    assert KeptKey(new).previous(time.time()) == (("ключ " * 10).strip(),)
