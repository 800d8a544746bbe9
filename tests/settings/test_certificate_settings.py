"""Settings of client certificates: which proxy forwards them, in which header, and which addresses must be trusted."""

from pathlib import Path
from typing import get_args

import pytest

from app.crypto.certificate_header import FORMS
from app.settings.settings import Settings
from tests.settings.test_settings import load, refusal


@pytest.fixture(autouse=True)
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATCHKEY_INSTANCE_DIR", str(tmp_path))


def test_a_header_of_certificates_needs_somebody_to_be_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "TRUSTED_PROXIES" in refusal(monkeypatch, CLIENT_CERTIFICATE_HEADER="ClientCert")
    read = load(monkeypatch, CLIENT_CERTIFICATE_HEADER="ClientCert", TRUSTED_PROXIES="10.0.0.0/8")
    assert read.client_certificate_header == "ClientCert"


def test_a_proxy_that_hands_certificates_over_is_named_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = get_args(Settings.model_fields["client_certificate_proxy"].annotation)
    assert set(kinds) == {"", *FORMS}
    for proxy in FORMS:
        assert "TRUSTED_PROXIES" in refusal(monkeypatch, CLIENT_CERTIFICATE_PROXY=proxy)
    believed = {"TRUSTED_PROXIES": "10.0.0.0/8", "CLIENT_CERTIFICATE_CHAIN": "unchecked"}
    for proxy in FORMS:
        assert load(monkeypatch, CLIENT_CERTIFICATE_PROXY=proxy.upper(), **believed).client_certificate_proxy == proxy
    assert "leave CLIENT_CERTIFICATE_HEADER out" in refusal(monkeypatch, CLIENT_CERTIFICATE_HEADER="ClientCert")


def test_a_proxy_that_checks_no_chain_is_not_believed_about_names(monkeypatch: pytest.MonkeyPatch) -> None:
    message = refusal(monkeypatch, CLIENT_CERTIFICATE_PROXY="alb-passthrough", TRUSTED_PROXIES="10.0.0.0/8")
    assert "CLIENT_CERTIFICATE_CHAIN unchecked" in message
