"""An existing file secret_key is read by `latchkey restore` as the server reads it."""

import zipfile
from pathlib import Path

import pytest

from app.settings.load import load_settings
from tests.cli.test_backup import latchkey, run_refused


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    assert latchkey(folder / "instance", "init").exit_code == 0
    assert latchkey(folder / "instance", "backup", folder / "backup").exit_code == 0
    return folder / "backup"


@pytest.mark.parametrize("written", [b"\xef\xbb\xbf%s", b"\xef\xbb\xbf%s\r\n", b" %s \n"])
def test_a_key_is_the_same_however_an_editor_wrote_it(backup: Path, tmp_path: Path, written: bytes) -> None:
    with zipfile.ZipFile(backup) as archive:
        key = archive.read("secret_key")
    tmp_path.joinpath("secret_key").write_bytes(written % key)
    assert latchkey(tmp_path, "restore", backup).exit_code == 0
    assert load_settings(instance_dir=tmp_path).sealing_keys()[0] == key.decode()


def test_a_key_file_that_is_not_text_is_named_in_the_error(backup: Path, tmp_path: Path) -> None:
    place = tmp_path / "secret_key"
    place.write_bytes(b"secretword\xff" * 8)
    said = run_refused(tmp_path, "restore", backup)
    assert f"{place} is not UTF-8 text" in said and str(backup) not in said and "secretword" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]
