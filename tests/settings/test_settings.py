"""Settings: what can be set, what is refused in one line that names the setting, and what is never shown."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import BadSettings
from app.settings.checks import FORWARD_AUTH_PARAMETERS
from app.settings.load import load_settings
from app.settings.settings import Settings

KEY = "0123456789abcdef0123456789abcdef"

pytestmark = pytest.mark.usefixtures("clean")


def load(monkeypatch: pytest.MonkeyPatch, **values: str) -> Settings:
    """Load with these environment variables, named without their prefix."""
    for name, value in values.items():
        monkeypatch.setenv(f"LATCHKEY_{name}", value)
    return load_settings()


def refusal(monkeypatch: pytest.MonkeyPatch, **values: str) -> str:
    with pytest.raises(BadSettings) as refused:
        load(monkeypatch, **values)
    message = str(refused.value)
    assert message and "\n" not in message and "\r" not in message
    assert refused.value.__cause__ is None and (refused.value.__suppress_context__ or not refused.value.__context__)
    return message


@pytest.mark.contract("the server listens on 127.0.0.1:8080; `--host`, `--port`, `--workers`")
def test_without_anything_set_it_is_a_single_node_on_loopback(clean: Path) -> None:
    s = load_settings()
    assert s.issuer == "http://127.0.0.1:8080" and s.issuer_path == ""
    assert s.management_identifier == "http://127.0.0.1:8080/api/v1"
    assert s.database_url == f"sqlite:///{clean}/latchkey.db" and s.redis_url == ""
    assert (s.pat_default_lifetime, s.pat_max_lifetime) == (30 * 86_400, None)
    assert s.trusted_proxies == () and s.rate_limits == "on" and s.forward_auth_query_key == ""
    assert not s.allow_insecure_issuer and not s.allow_private_jwks_uri
    assert s.bootstrap_file == clean / "bootstrap.json"


GOOD: list[tuple[str, str, Any]] = [
    ("HOST", "0.0.0.0", "0.0.0.0"),  # noqa: S104
    ("PORT", "65535", 65_535),
    ("KEEP_ALIVE", "75", 75),
    ("SIGNING_KEY_ROTATION", "600", 600),
    ("SIGNING_KEY_ROTATION", "0", 0),
    ("JWKS_MAX_AGE", "60", 60),
    ("AUDIT_RETENTION", "0", 0),
    ("STATUS_LIST_TTL", "60", 60),
    ("WORKERS", "4", 4),
    ("ISSUER", "https://login.example/", "https://login.example"),
    ("ISSUER", "https://login.example/\r\n", "https://login.example"),
    ("ISSUER", "https://login.example/tenant", "https://login.example/tenant"),
    ("ISSUER", "http://localhost:1", "http://localhost:1"),
    ("ISSUER", "http://[::1]:8080", "http://[::1]:8080"),
    ("DATABASE_URL", "sqlite:////srv/l.db", "sqlite:////srv/l.db"),
    ("DATABASE_URL", "postgresql://u:p%40@h:5432/d", "postgresql+psycopg://u:p%40@h:5432/d"),
    ("DATABASE_URL", "postgresql+psycopg:///d", "postgresql+psycopg:///d"),
    ("DATABASE_POOLER", "Transaction", "transaction"),
    ("REDIS_URL", "rediss://h:6380/1", "rediss://h:6380/1"),
    ("REDIS_URL", "redis+sentinel://:p@h1:1,h2:2/main", "redis+sentinel://:p@h1:1,h2:2/main"),
    ("REDIS_URL", "unix:///run/redis.sock", "unix:///run/redis.sock"),
    ("PAT_DEFAULT_LIFETIME", "1", 1),
    ("PAT_MAX_LIFETIME", "31536000", 31_536_000),
    ("RATE_LIMITS", "off", "off"),
    ("RATE_LIMITS", "OFF", "off"),
    ("ALLOW_INSECURE_ISSUER", "true", True),
    ("ALLOW_PRIVATE_JWKS_URI", "1", True),
    ("FAST_LANE", "false", False),
    ("FORWARD_AUTH_QUERY_KEY", "api_key", "api_key"),
    ("ALLOWED_ORIGINS", "", ()),
    ("ALLOWED_ORIGINS", "https://App.example, http://[::1]:5173,", ("https://app.example", "http://[::1]:5173")),
    ("ALLOWED_ORIGINS", "capacitor://localhost", ("capacitor://localhost",)),
    ("LANGUAGES", "sv, EN,zh-hant,sv,", ("sv", "en", "zh-Hant")),
    ("DPOP_NONCE", "Required", "required"),
    ("CLIENT_CERTIFICATE_CHAIN", "unchecked", "unchecked"),
    ("LOG_LEVEL", "DEBUG", "debug"),
    ("BOOTSTRAP_ADMIN_USERNAME", "root@example.org", "root@example.org"),
    ("BOOTSTRAP_CLIENT_ID", "first~client", "first~client"),
]


@pytest.mark.contract("settings from the environment or the file")
@pytest.mark.parametrize(("name", "value", "read"), GOOD)
def test_a_good_value_is_read(monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: object) -> None:
    assert getattr(load(monkeypatch, **{name: value}), name.lower()) == read


def test_networks_are_read_with_or_without_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    read = load(monkeypatch, TRUSTED_PROXIES="10.0.0.0/8, 192.0.2.1,2001:db8::/32,").trusted_proxies
    assert [str(network) for network in read] == ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]


BAD: list[tuple[str, str]] = [
    ("LANGUAGES", "en,de"),
    ("LANGUAGES", ","),
    ("ALLOWED_ORIGINS", "*"),
    ("ALLOWED_ORIGINS", "null"),
    ("ALLOWED_ORIGINS", "shop.example"),
    ("ALLOWED_ORIGINS", "https://shop.example/"),
    ("ALLOWED_ORIGINS", "https://shop.example:443"),
    ("ALLOWED_ORIGINS", "https://*.example"),
    ("PORT", "0"),
    ("PORT", "65536"),
    ("KEEP_ALIVE", "0"),
    ("PORT", "eighty"),
    ("WORKERS", "0"),
    ("WORKERS", "1.5"),
    ("ISSUER", "login.example"),
    ("ISSUER", "ftp://login.example"),
    ("ISSUER", "https://login.example?x=1"),
    ("ISSUER", "https://login.example#x"),
    ("ISSUER", "https://me:secretword@login.example"),
    ("ISSUER", "https://login.example:port"),
    ("ISSUER", "https://login.example:99999"),
    ("ISSUER", "https://[::1"),
    ("ISSUER", "https://"),
    ("ISSUER", "https://login.exämple"),
    ("ISSUER", "https://login.example/a b"),
    ("ISSUER", 'https://login.example/"'),
    ("ISSUER", "https://login.example/\n/tenant"),
    ("ISSUER", "http://login.example"),
    ("ISSUER", "http://192.0.2.1:8080"),
    ("ISSUER", "http://127.0.0.1.example.org"),
    ("ISSUER", "http://localhost.example.org"),
    ("DATABASE_URL", "sqlite://?x"),
    ("DATABASE_URL", "sqlite:///:memory:"),
    ("DATABASE_URL", "mysql://u:secretword@h/d"),
    ("DATABASE_URL", "secretword"),
    ("DATABASE_URL", "postgresql://u:pass@word:secretword@h/d"),
    ("DATABASE_URL", "postgresql://u:p@h:secretword/d"),
    ("DATABASE_POOLER", "secretword"),
    ("REDIS_URL", "http://h"),
    ("REDIS_URL", "redis+sentinel://:secretword@h:1"),
    ("REDIS_URL", "redis+sentinel://:secretword/main"),
    ("REDIS_URL", "redis+sentinel://u:secretword@h:x/main"),
    ("REDIS_URL", "redis+cluster://:secretword@h:1"),
    ("REDIS_URL", "secretword"),
    ("REDIS_URL", "redis://:a[secretword]@h"),
    ("REDIS_URL", "redis://:secretword/rest@h"),
    ("REDIS_URL", "redis://h:99999"),
    ("REDIS_URL", "redis://h?db=secretword"),
    ("SECRET_KEY", "secretword"),
    ("SECRET_KEY", "s" * 31),
    ("PREVIOUS_SECRET_KEYS", "secretword"),
    ("PREVIOUS_SECRET_KEYS", KEY + ",secretword"),
    ("SIGNING_KEY_ROTATION", "-1"),
    ("SIGNING_KEY_ROTATION", "599"),
    ("SIGNING_KEY_ROTATION", "soon"),
    ("JWKS_MAX_AGE", "0"),
    ("JWKS_MAX_AGE", "86401"),
    ("AUDIT_RETENTION", "-1"),
    ("AUDIT_RETENTION", "36501"),
    ("STATUS_LIST_TTL", "0"),
    ("STATUS_LIST_TTL", "3601"),
    ("PAT_DEFAULT_LIFETIME", "0"),
    ("PAT_DEFAULT_LIFETIME", "a month"),
    ("PAT_MAX_LIFETIME", "0"),
    ("PAT_MAX_LIFETIME", "-1"),
    ("TRUSTED_PROXIES", "everybody"),
    ("TRUSTED_PROXIES", "10.0.0.1/8"),
    ("TRUSTED_PROXIES", "10.0.0.0/8 192.0.2.0/24"),
    ("BREACHED_PASSWORDS", "/nowhere/breached.txt"),
    ("BREACHED_PASSWORDS", __file__),
    ("RATE_LIMITS", "maybe"),
    ("METRICS_TOKEN", "secretword"),
    ("METRICS_TOKEN", "secretword secretword"),
    ("ALLOW_INSECURE_ISSUER", "perhaps"),
    ("ALLOW_PRIVATE_JWKS_URI", "perhaps"),
    ("FAST_LANE", "perhaps"),
    ("FORWARD_AUTH_QUERY_KEY", "api key"),
    ("FORWARD_AUTH_QUERY_KEY", "k" * 65),
    ("FORWARD_AUTH_QUERY_KEY", "resource"),
    ("FORWARD_AUTH_QUERY_KEY", "scope"),
    ("FORWARD_AUTH_QUERY_KEY", "challenge"),
    ("DPOP_NONCE", "perhaps"),
    ("CLIENT_CERTIFICATE_CHAIN", "perhaps"),
    ("CLIENT_CERTIFICATE_PROXY", "squid"),
    ("CLIENT_CERTIFICATE_HEADER", "two words"),
    ("CLIENT_CERTIFICATE_HEADER", "Client-Certificate"),
    ("CLIENT_CERTIFICATE_HEADER", "Client_Certificate"),
    ("LOG_LEVEL", "loud"),
    ("BOOTSTRAP_ADMIN_USERNAME", ""),
    ("BOOTSTRAP_ADMIN_USERNAME", "a b"),
    ("BOOTSTRAP_ADMIN_PASSWORD", "secretword"),
    ("BOOTSTRAP_ADMIN_PASSWORD", "secretword" * 21),
    *[("BOOTSTRAP_CLIENT_ID", text) for text in ("a:b", "a b", "a%41", "a+b", "á", "a\tb", "i" * 201)],
    ("BOOTSTRAP_CLIENT_SECRET", "secretword"),
    *[("BOOTSTRAP_CLIENT_SECRET", f"secretword{text}") for text in ("%41", "++", "wörd", "\tab", "x\x7f", "\nab")],
]


@pytest.mark.asvs("11.4.4")
@pytest.mark.contract("an unknown or impossible setting stops the start in one line")
@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_by_name_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    message = refusal(monkeypatch, **{name: value})
    assert name in message
    assert "secretword" not in message
    assert len(value) < 6 or value not in message or value in FORWARD_AUTH_PARAMETERS


@pytest.mark.contract("an unknown or impossible setting stops the start in one line")
@pytest.mark.parametrize("name", ["LATCHKEY_ISUER", "LATCHKEY_", "latchkey_isuer", "LATCHKEY_SECRET"])
def test_an_unknown_variable_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "secretword")
    with pytest.raises(BadSettings) as refused:
        load_settings()
    assert str(refused.value) == f"unknown setting {name}"


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(set(Settings.model_fields) - {"instance_dir"})), value=st.text(max_size=40))
def test_any_text_is_taken_or_refused_in_one_line(name: str, value: str) -> None:
    refused = ""
    try:
        taken = load_settings(**{name: value})
        assert taken.issuer.startswith("http") and taken.database_url
    except BadSettings as error:
        refused = str(error)
    assert "\n" not in refused and (len(value) < 12 or value not in refused)


@pytest.mark.parametrize(
    ("values", "issuer"),
    [
        ({"HOST": "0.0.0.0", "PORT": "9000"}, "http://127.0.0.1:9000"),  # noqa: S104
        ({"HOST": "::"}, "http://127.0.0.1:8080"),
        ({"HOST": "::1"}, "http://[::1]:8080"),
        ({"HOST": "localhost"}, "http://localhost:8080"),
    ],
)
def test_without_an_issuer_it_is_where_the_server_listens(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], issuer: str
) -> None:
    assert load(monkeypatch, **values).issuer == issuer


def test_an_address_off_loopback_needs_an_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ALLOW_INSECURE_ISSUER" in refusal(monkeypatch, HOST="192.0.2.1")


@pytest.mark.asvs("3.3.1", "RFC 9700 §2.6")
@pytest.mark.contract("plain http is refused off loopback")
@pytest.mark.spec("RFC 8414 §2")
def test_plain_http_off_loopback_must_be_allowed_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ALLOW_INSECURE_ISSUER" in refusal(monkeypatch, ISSUER="http://login.example")
    assert load(monkeypatch, ALLOW_INSECURE_ISSUER="1").issuer == "http://login.example"


def test_an_issuer_may_have_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    read = load(monkeypatch, ISSUER="https://example.org/login/")
    assert (read.issuer, read.issuer_path) == ("https://example.org/login", "/login")
    assert read.management_identifier == "https://example.org/login/api/v1"


def test_a_default_lifetime_nobody_chose_shrinks_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, PAT_MAX_LIFETIME="60").pat_default_lifetime == 60
    assert load(monkeypatch, PAT_DEFAULT_LIFETIME="60").pat_default_lifetime == 60


def test_a_chosen_default_lifetime_beyond_the_longest_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    message = refusal(monkeypatch, PAT_MAX_LIFETIME="60", PAT_DEFAULT_LIFETIME="61")
    assert "PAT_DEFAULT_LIFETIME" in message and "PAT_MAX_LIFETIME" in message


def test_a_relative_database_file_lies_in_the_instance(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, DATABASE_URL="sqlite:///other.db").database_url == f"sqlite:///{clean}/other.db"


@pytest.mark.contract("settings from the environment or the file")
def test_the_environment_wins_over_the_file_and_what_is_handed_in_over_both(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'port = 1\nWORKERS = 2\nhost = "localhost"\ntrusted_proxies = ["10.0.0.0/8"]\n'
    (clean / "latchkey.toml").write_text(text)
    read = load(monkeypatch, WORKERS="3")
    assert (read.port, read.workers, read.host) == (1, 3, "localhost")
    assert [str(network) for network in read.trusted_proxies] == ["10.0.0.0/8"]
    assert load_settings(workers=4, port=None).workers == 4
    assert load_settings(port=None).port == 1


@pytest.mark.contract("an unknown or impossible setting stops the start in one line")
@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("isuer = 'x'", "ISUER"),
        ("port = 'secretword'", "PORT"),
        ("secret_key = 'secretword'", "SECRET_KEY"),
        ("trusted_proxies = 7", "TRUSTED_PROXIES"),
        ("[issuer]\nx = 'secretword'", "ISSUER"),
        ("secret_key = 'secretword", "latchkey.toml"),
        ("\x00", "latchkey.toml"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(clean: Path, monkeypatch: pytest.MonkeyPatch, text: str, named: str) -> None:
    (clean / "latchkey.toml").write_text(text)
    message = refusal(monkeypatch)
    assert named in message and "secretword" not in message


def test_a_file_that_is_not_text_is_refused(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clean / "latchkey.toml").write_bytes(b"\xff\xfe")
    assert "latchkey.toml" in refusal(monkeypatch)


@pytest.mark.asvs("11.4.4", "13.3.1")
def test_the_secret_key_is_made_once_and_kept_for_its_owner_alone(clean: Path) -> None:
    first, again = load_settings(), load_settings()
    assert first.secret_key == again.secret_key and len(first.secret_key.get_secret_value()) >= 32
    assert stat.S_IMODE((clean / "secret_key").stat().st_mode) == 0o600


@pytest.mark.asvs("13.2.3")
def test_many_first_starts_at_once_keep_one_secret_key(clean: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = {future.result().secret_key for future in [pool.submit(load_settings) for _ in range(24)]}
    assert len(keys) == 1 and [file.name for file in clean.iterdir()] == ["secret_key"]


def test_a_start_killed_while_it_made_the_secret_key_is_followed_by_one_that_works(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_fd: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            load_settings()
    assert len(load_settings().secret_key.get_secret_value()) >= 32


def test_the_current_and_the_previous_secret_keys_are_accepted(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older, oldest = "older, with a comma" + KEY, KEY[::-1]
    read = load(monkeypatch, SECRET_KEY=KEY, PREVIOUS_SECRET_KEYS=f" {KEY[::-1]} ,{KEY * 2},")
    assert read.secret_keys() == (KEY, KEY[::-1], KEY * 2)
    assert KEY[::-1] not in repr(read) + str(read) + repr(read.model_dump())
    monkeypatch.delenv("LATCHKEY_PREVIOUS_SECRET_KEYS")
    (clean / "latchkey.toml").write_text(f"previous_secret_keys = ['{older}', '{oldest}']")
    assert load_settings().secret_keys() == (KEY, older, oldest)


@pytest.mark.asvs("13.3.1")
def test_a_secret_key_that_is_set_is_not_written(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, SECRET_KEY=KEY).secret_key.get_secret_value() == KEY
    assert list(clean.iterdir()) == []


@pytest.mark.parametrize("kept", [b"", b"secretword", b"\xff" * 40])
def test_a_damaged_secret_key_is_refused_and_not_replaced(
    clean: Path, monkeypatch: pytest.MonkeyPatch, kept: bytes
) -> None:
    (clean / "secret_key").write_bytes(kept)
    assert "secret_key" in refusal(monkeypatch) and (clean / "secret_key").read_bytes() == kept


def test_an_instance_that_cannot_be_written_is_refused(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clean / "file").write_text("")
    assert str(clean) in refusal(monkeypatch, INSTANCE_DIR=str(clean / "file"))


def test_settings_never_show_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    read = load(
        monkeypatch,
        SECRET_KEY="secretword" * 4,
        DATABASE_URL="postgresql://u:secretword@h/d",
        REDIS_URL="redis://:secretword@h",
        BOOTSTRAP_ADMIN_PASSWORD="secretword12",
        BOOTSTRAP_CLIENT_SECRET="secretword12",
    )
    assert "secretword" not in f"{read!r} {read}"
    assert "secretword" not in repr(load_settings().model_copy(update={"port": 1}))


def test_settings_are_frozen() -> None:
    read = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        read.port = 1  # type: ignore[misc]


def test_an_instance_is_in_no_folder_that_a_url_cannot_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "INSTANCE_DIR" in refusal(monkeypatch, INSTANCE_DIR="/tmp/what?")  # noqa: S108 - nothing is made there
