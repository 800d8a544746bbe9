"""The kept SECRET_KEY: after a replacement, the previous key is accepted for a while."""

import os
import stat
import time
from pathlib import Path

import pytest

from app.errors import BadSettings
from app.settings.kept_key import KeptKey
from app.settings.load import load_settings

NOW = 1_900_000_000.0


@pytest.mark.contract("the kept SECRET_KEY is replaced under a running server, and never lost")
def test_the_key_before_counts_until_its_time_is_over(tmp_path: Path) -> None:
    kept = KeptKey(tmp_path)
    keys = [kept.read_or_make()]
    for hours in (0, 1):
        kept.replace(NOW + 7200 + 3600 * hours)
        keys.append(kept.read_or_make())
    assert len(set(keys)) == 3
    assert kept.previous(NOW + 3600) == tuple(keys[:2])
    assert kept.previous(NOW + 7200) == (keys[1],)
    assert kept.previous(NOW + 10_800) == ()
    kept.replace(NOW + 30_000)
    assert keys[0] in kept.previous_path.read_text(), "it may still be the only one that opens a signing key"
    kept.drop_expired(NOW + 20_000)
    assert kept.previous(NOW) == kept.previous(NOW + 20_000) == (keys[2],)
    assert keys[0] not in kept.previous_path.read_text(), "what has ended is forgotten"
    assert {stat.S_IMODE(path.stat().st_mode) for path in (kept.path, kept.previous_path)} == {0o600}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret_key", "secret_key.previous"]


@pytest.mark.contract("the kept SECRET_KEY is replaced under a running server, and never lost")
def test_killed_in_the_midst_it_has_lost_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, real = KeptKey(tmp_path), os.replace
    first = kept.read_or_make()

    def killed(source: Path, target: Path) -> None:
        if target == kept.path:
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            kept.replace(NOW + 60)
    assert kept.read_or_make() == first == KeptKey(tmp_path).previous(NOW)[0]
    kept.replace(NOW + 60)
    assert kept.previous(NOW) == (first,)


def test_files_that_an_editor_wrote_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    kept = KeptKey(tmp_path)
    first = kept.read_or_make()
    kept.replace(NOW + 60)
    second = kept.read_or_make()
    for path in (kept.path, kept.previous_path):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert (kept.read_or_make(), kept.previous(NOW)) == (second, (first,))


def test_a_key_that_is_not_text_is_refused_and_not_shown(tmp_path: Path) -> None:
    kept = KeptKey(tmp_path)
    kept.path.write_bytes(b"secretword\xff" * 8)
    with pytest.raises(BadSettings, match="is not UTF-8 text") as refused:
        kept.read_or_make()
    assert str(kept.path) in str(refused.value) and "secretword" not in str(refused.value)


@pytest.mark.parametrize("damage", [b"secretword", b"soon secretword", b"\xff\n"])
def test_a_damaged_file_is_refused_and_shows_nothing(tmp_path: Path, damage: bytes) -> None:
    kept = KeptKey(tmp_path)
    kept.read_or_make()
    kept.previous_path.write_bytes(damage)
    with pytest.raises(BadSettings) as refused:
        kept.previous(NOW)
    assert "secret_key.previous" in str(refused.value) and "secretword" not in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.contract("the kept SECRET_KEY is replaced under a running server, and never lost")
def test_a_running_server_reads_a_replaced_kept_key(clean: Path) -> None:
    running = load_settings()
    first = running.secret_key.get_secret_value()
    assert running.secret_keys() == (first,)
    KeptKey(clean).replace(time.time() + 60)
    second = load_settings().secret_key.get_secret_value()
    assert running.secret_keys() == (second, first) == load_settings().secret_keys()
