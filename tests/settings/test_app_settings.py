"""The settings of apps that act for users: who may register them, and how long their grants last."""

import pytest
from pydantic import SecretStr

from app.settings.settings import Settings
from tests.settings import test_settings
from tests.settings.test_settings import load, refusal

pytestmark = pytest.mark.usefixtures("clean")

GOOD: list[tuple[str, str, object]] = [
    ("REFRESH_TOKEN_LIFETIME", "60", 60),
    ("GRANT_LIFETIME", "86400", 86_400),
    ("REGISTRATION", "token", "token"),
    ("REGISTRATION", "Open", "open"),
    ("REUSE", "Revoke", "revoke"),
    ("REUSE", "notice", "notice"),
    ("CLIENT_ID_METADATA", "ON", "on"),
    ("KEEP_ADDRESSES", "Full", "full"),
    ("REQUIRE_SECOND_FACTOR", "Everybody", "everybody"),
    ("PASSWORDS", "Administrators", "administrators"),
    ("PASSWORDS", "off", "off"),
    ("SMTP_URL", "smtp://127.0.0.1", SecretStr("smtp://127.0.0.1")),
    ("MAIL_FROM", "Latchkey <a@b.example>", "Latchkey <a@b.example>"),
]
BAD: list[tuple[str, str]] = [
    ("REGISTRATION", "on"),
    ("REUSE", "ignore"),
    ("KEEP_ADDRESSES", "none"),
    ("REQUIRE_SECOND_FACTOR", "on"),
    ("CLIENT_ID_METADATA", "true"),
    ("REFRESH_TOKEN_LIFETIME", "59"),
    ("GRANT_LIFETIME", "-1"),
    ("PASSWORDS", "none"),
    ("IDENTITY_PROVIDER", "acme"),
    ("SMTP_URL", "imap://127.0.0.1"),
    ("MAIL_FROM", "nobody"),
]


@pytest.mark.contract("settings from the environment or the file")
@pytest.mark.parametrize(("name", "value", "read"), GOOD)
def test_a_good_value_is_read(monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: object) -> None:
    assert getattr(load(monkeypatch, **{name: value}), name.lower()) == read


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_stops_the_start_with_a_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    assert name in refusal(monkeypatch, **{name: value})


def test_every_setting_has_a_good_and_a_bad_value() -> None:
    tried = {name.lower() for name, *_ in [*GOOD, *test_settings.GOOD]}
    tried |= {"identity_provider"}  # test_identity_providers.py
    tried |= {"trusted_proxies", "secret_key", "instance_dir"}
    tried |= {"previous_secret_keys", "bootstrap_admin_password", "bootstrap_client_secret", "breached_passwords"}
    tried |= {"client_certificate_header", "client_certificate_proxy", "metrics_token"}
    assert tried == set(Settings.model_fields)
    free = {"host", "instance_dir"}
    assert {name.lower() for name, _ in [*BAD, *test_settings.BAD]} == set(Settings.model_fields) - free
