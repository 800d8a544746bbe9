"""The context of a request: what a proxy forwards counts only from a trusted one, and is parsed only when needed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Request as FlaskRequest
from werkzeug.test import EnvironBuilder

from app.http import request as module
from app.http.envelope import REQUEST_ID
from app.http.request import Request, read_request
from app.settings.settings import Settings

PROXY, STRANGER = "10.0.0.1", "192.0.2.7"
NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    proxies: Any = "10.0.0.0/8"
    header = "ClientCert"
    return Settings(
        instance_dir=tmp_path, secret_key="k" * 40, trusted_proxies=proxies, client_certificate_header=header
    )


def read(settings: Settings, sender: str, **headers: str) -> Request:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    environ = EnvironBuilder(
        headers=[*sent.items()], environ_base={"REMOTE_ADDR": sender, REQUEST_ID: "one"}
    ).get_environ()
    return read_request(FlaskRequest(environ), settings, lambda: NOW)


def test_a_forwarded_address_counts_only_from_a_trusted_proxy(settings: Settings) -> None:
    assert read(settings, PROXY, X_Forwarded_For=STRANGER).peer == STRANGER
    assert read(settings, "192.0.2.9", X_Forwarded_For=STRANGER).peer == "192.0.2.9"
    assert read(settings, "", X_Forwarded_For=STRANGER).peer is None  # a Unix socket


@pytest.mark.parametrize(("sender", "parsed"), [(PROXY, 1), (STRANGER, 0)])
def test_a_certificate_is_parsed_once_on_demand_and_from_a_trusted_proxy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, sender: str, parsed: int
) -> None:
    calls: list[object] = []
    monkeypatch.setattr(module, "read_client_certificate", lambda *given: calls.append(given))
    context = read(settings, sender, ClientCert="MIIB")
    assert calls == []
    assert context.certificate() is None and context.certificate() is None
    assert len(calls) == parsed


@pytest.mark.parametrize(
    ("header", "scheme", "credentials"),
    [("Bearer abc", "bearer", "abc"), ("dPoP  abc ", "dpop", "abc"), ("Basic", "basic", ""), ("", "", "")],
)
def test_the_authorization_header_is_a_scheme_and_credentials(
    settings: Settings, header: str, scheme: str, credentials: str
) -> None:
    context = read(settings, STRANGER, Authorization=header)
    assert (context.scheme, context.credentials) == (scheme, credentials)


def test_a_request_without_headers_presents_nothing(settings: Settings) -> None:
    context = read(settings, STRANGER)
    assert (context.authorization, context.scheme, context.credentials, context.proof) == (None, "", "", None)


def test_no_secret_of_a_request_is_in_its_representation(settings: Settings) -> None:
    shown = repr(read(settings, STRANGER, Authorization="Bearer a-secret", DPoP="a-proof"))
    assert "a-secret" not in shown and "a-proof" not in shown
