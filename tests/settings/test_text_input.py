"""Text from a file, a pipe or the environment is read by one set of rules, for every setting."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from app.errors import BadSettings
from app.settings.load import load_settings
from app.settings.settings import Settings, secret_settings
from app.settings.text_input import MAX_BYTES, clean_text, decode_utf8

GOOD = {  # a value that each setting takes from a file
    "database_url": "postgresql://user:pass word@db/latchkey",
    "redis_url": "redis://:word@cache:6379/0",
    "smtp_url": "smtps://user:word@mail.example",
    "secret_key": "0123456789abcdef0123456789abcdef",
    "previous_secret_keys": "0123456789abcdef0123456789abcdeX",
    "bootstrap_admin_username": "root",
    "bootstrap_admin_password": " a pass phrase ",
    "bootstrap_client_id": "first",
    "bootstrap_client_secret": "a secret of 12",
    "metrics_token": "0123456789abcdef",
}
LOAD = [HealthCheck.function_scoped_fixture]

pytestmark = pytest.mark.usefixtures("clean")


def value_of(read: Settings, name: str) -> str:
    """Return a setting as the text that was given for it."""
    value = getattr(read, name)
    if isinstance(value, tuple):
        (value,) = value
    return (value.get_secret_value() if isinstance(value, SecretStr) else str(value)).replace("+psycopg", "")


def refusal(**overrides: str) -> str:
    with pytest.raises(BadSettings) as refused:
        load_settings(**overrides)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_every_secret_setting_is_tried_here() -> None:
    """What is kept from repr(), or is one of the first credentials, can come from a file."""
    assert {"secret_key", "database_url", "redis_url", "bootstrap_client_secret"} <= set(secret_settings())
    assert set(GOOD) == set(secret_settings())


@pytest.mark.contract("secrets from files, pipes and the environment: one set of rules, one line")
@pytest.mark.parametrize("name", sorted(GOOD))
@pytest.mark.parametrize("shape", ["{}", "{}\n", "{}\r\n", "{}\n\n", "\ufeff{}\r\n"])
def test_line_ends_and_a_byte_order_mark_are_removed_from_every_source(
    clean: Path, monkeypatch: pytest.MonkeyPatch, name: str, shape: str
) -> None:
    given = shape.format(GOOD[name])
    assert value_of(load_settings(**{name: given}), name) == GOOD[name]
    (clean / "held").write_bytes(given.encode())
    with monkeypatch.context() as patched:
        patched.setenv(f"LATCHKEY_{name.upper()}_FILE", str(clean / "held"))
        assert value_of(load_settings(), name) == GOOD[name]
    with monkeypatch.context() as patched:
        patched.setenv(f"LATCHKEY_{name.upper()}", given)
        assert value_of(load_settings(), name) == GOOD[name]
    (clean / "latchkey.toml").write_text(f"{name}_file = '{clean / 'held'}'")
    assert value_of(load_settings(), name) == GOOD[name]


@pytest.mark.contract("secrets from files, pipes and the environment: one set of rules, one line")
@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - {"instance_dir"}))
@pytest.mark.parametrize("control", ["\n", "\t", "\r", "\x7f", "\x85", "\u2028", "\ufeff"])
def test_what_is_left_of_control_characters_is_refused_by_name(name: str, control: str) -> None:
    message = refusal(**{name: f"secretword{control}secretword" * 3})
    assert name.upper() in message and f"U+{ord(control):04X}" in message and "secretword" not in message


@pytest.mark.parametrize("name", sorted(GOOD))
def test_bytes_that_are_not_text_are_refused_by_name(clean: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (clean / "held").write_bytes(b"secretword" * 4 + b"\xff")
    with monkeypatch.context() as patched:
        patched.setenv(f"LATCHKEY_{name.upper()}_FILE", str(clean / "held"))
        assert refusal() == f"setting {name.upper()}_FILE: {clean / 'held'} is not UTF-8 text"
    monkeypatch.setenv(f"LATCHKEY_{name.upper()}", os.fsdecode(b"secretword" * 4 + b"\xff"))
    assert refusal() == f"setting {name.upper()}: is not UTF-8 text"


@pytest.mark.contract("secrets from files, pipes and the environment: one set of rules, one line")
@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_setting_and_its_file_together_are_refused(clean: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (clean / "held").write_text(GOOD[name])
    monkeypatch.setenv(f"LATCHKEY_{name.upper()}", GOOD[name])
    monkeypatch.setenv(f"LATCHKEY_{name.upper()}_FILE", str(clean / "held"))
    assert refusal() == f"settings {name.upper()} and {name.upper()}_FILE are both set: set one of them"
    monkeypatch.setenv(f"LATCHKEY_{name.upper()}_FILE", "")  # as compose files leave it
    assert value_of(load_settings(), name) == GOOD[name]


@pytest.mark.parametrize("name", ["PORT_FILE", "ISSUER_FILE", "SECRET_FILE", "_FILE", "BREACHED_PASSWORDS_FILE"])
def test_only_secrets_have_a_file_setting(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"LATCHKEY_{name}", "/dev/null")
    assert refusal() == f"unknown setting LATCHKEY_{name}"


def test_a_file_that_cannot_be_read_is_named_with_the_reason(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clean / "empty").write_text("\n")
    (clean / "long").write_bytes(b"x" * (MAX_BYTES + 1))
    (clean / "line").write_text("one\ntwo")
    (clean / "loop").symlink_to(clean / "loop")
    said = {
        clean / "nowhere": f"there is no file {clean / 'nowhere'}",
        clean: f"{clean} cannot be read: Is a directory",
        clean / "empty": f"{clean / 'empty'} is empty",
        clean / "empty" / "below": f"{clean / 'empty' / 'below'} cannot be read: Not a directory",
        clean / "long": f"{clean / 'long'} is longer than {MAX_BYTES} bytes",
        clean / "line": f"{clean / 'line'} has a control character (U+000A, its character 4): remove it",
        clean / "loop": f"{clean / 'loop'} cannot be read: Too many levels of symbolic links",
        Path("/dev/zero"): f"/dev/zero is longer than {MAX_BYTES} bytes",
    }
    for path, why in said.items():
        monkeypatch.setenv("LATCHKEY_SECRET_KEY_FILE", str(path))
        assert refusal() == f"setting SECRET_KEY_FILE: {why}"
    assert not (clean / "secret_key").exists(), "it must not be made instead"


def test_a_pipe_is_read_once_and_its_text_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in LATCHKEY_SECRET_KEY_FILE=<(…): the workers that are forked read the settings once more."""
    reading, writing = os.pipe()
    os.write(writing, GOOD["secret_key"].encode() + b"\n")
    os.close(writing)
    monkeypatch.setenv("LATCHKEY_SECRET_KEY_FILE", f"/dev/fd/{reading}")
    assert [value_of(load_settings(), "secret_key") for _ in range(2)] == [GOOD["secret_key"]] * 2
    os.close(reading)


def test_a_setting_in_two_spellings_is_refused(monkeypatch: pytest.MonkeyPatch, clean: Path) -> None:
    """Either spelling is accepted: which of two is meant, nobody can say."""
    (clean / "latchkey.toml").write_text('passwords = "off"\nPasswords = "on"\n')
    assert refusal() == f"{clean / 'latchkey.toml'}: passwords is set twice, in different spellings"
    (clean / "latchkey.toml").unlink()
    monkeypatch.setenv("LATCHKEY_PASSWORDS", "off")
    monkeypatch.setenv("latchkey_passwords", "on")
    assert refusal() == "the environment: latchkey_passwords is set twice, in different spellings"


def test_the_kept_secret_key_is_read_by_the_same_rules(clean: Path) -> None:
    (clean / "secret_key").write_bytes(b"\xef\xbb\xbf" + GOOD["secret_key"].encode() + b"\r\n")
    (clean / "secret_key").chmod(stat.S_IRUSR)
    assert value_of(load_settings(), "secret_key") == GOOD["secret_key"]
    (clean / "secret_key").chmod(stat.S_IRUSR | stat.S_IWUSR)
    (clean / "secret_key").write_text("secretword\nsecretword" * 4)
    assert "secret_key has a control character" in refusal()


@pytest.mark.contract("secrets from files, pipes and the environment: one set of rules, one line")
@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"port = 1\nhost = \n", "line 2: Invalid value"),
        (b"port = 1\n\nsecret_key = 'secretword\n", "line 3: "),
        (b"port = 1\nsecretword\n", "line 2: Expected '=' after a key in a key/value pair"),
        (b"port = 1\nport = 2\n", "line 2: Cannot overwrite a value"),
        (b"port = 1\nhost = '\xff'\n", " is not UTF-8 text (line 2)"),
        (b"x = 1\n'''", "line 2: "),
        (b"\xff\xfep\x00o\x00r\x00t\x00", " is not UTF-8 text"),
        (b"\n\nport = 'many'\n", "setting PORT: Input should be a valid integer"),
        (b"\n\nport = 'many'\n", "latchkey.toml, line 3)"),
        (b"# a\nISUER = 'secretword'\n", "latchkey.toml, line 2)"),
        (b"port = 1\n[issuer]\nx = 'secretword'\n", "latchkey.toml, line 2)"),
        (b"x = " + b"[" * 20_000, "nested too deeply"),
    ],
)
def test_an_error_of_the_settings_file_names_its_line(clean: Path, raw: bytes, said: str) -> None:
    (clean / "latchkey.toml").write_bytes(raw)
    message = refusal()
    assert said in message and str(clean / "latchkey.toml") in message and "secretword" not in message.lower()


def test_a_settings_file_may_begin_with_a_byte_order_mark(clean: Path) -> None:
    (clean / "latchkey.toml").write_bytes(b"\xef\xbb\xbfport = 1\r\n")
    assert load_settings().port == 1


@pytest.mark.parametrize("mode", ["folder", "loop"])
def test_a_settings_path_that_is_not_a_file_is_refused(clean: Path, mode: str) -> None:
    path = clean / "latchkey.toml"
    path.mkdir() if mode == "folder" else path.symlink_to(path)
    assert f"{path} cannot be read: " in refusal()


@settings(max_examples=200)
@given(raw=st.one_of(st.binary(max_size=40), st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_are_plain_text_or_refused(raw: bytes) -> None:
    try:
        read = clean_text(decode_utf8(raw))
    except ValueError:
        return
    assert not set(read) & set("\r\n\0\x1b") and raw.decode().endswith((read, "\n", "\r"))


@settings(deadline=None, max_examples=60, suppress_health_check=LOAD)
@given(raw=st.binary(max_size=60))
def test_any_settings_file_is_read_or_refused_in_one_line(clean: Path, raw: bytes) -> None:
    (clean / "latchkey.toml").write_bytes(raw)
    said = ""
    try:
        load_settings()
    except BadSettings as error:
        said = str(error)
    assert "\n" not in said and "\r" not in said
