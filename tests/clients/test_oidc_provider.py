"""Signing in at a real provider, oidc-provider from npm, with a real Chromium."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.api import Admin
from tests.browser import Browser
from tests.live import LiveServer
from tests.machine import require_program
from tests.ports import free_port

SECRET = "the secret of a client: + and %"
STARTING = 30  # seconds
NAME, ID = "Acme accounts", "acme-accounts"
SETTINGS = """
[[identity_provider]]
name = "Acme accounts"
issuer = "{issuer}"
client_id = "latchkey"
client_secret = "{secret}"
scopes = ["openid", "profile", "email", "groups"]
groups_claim = "groups"
roles = {{ buyers = ["buyer"] }}
create_users = true
"""


@contextmanager
def oidc_provider(folder: Path, port: int, client: dict[str, Any], **wanted: Any) -> Iterator[None]:
    """Run the provider until the block ends."""
    command = [require_program("node"), str(folder / "oidc_provider.mjs")]
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdin is not None and process.stdout is not None
        with process.stdin:
            json.dump({"port": port, "client": client, **wanted}, process.stdin)
        assert any(line.strip() == "listening" for line in process.stdout), process.poll()
        yield
    finally:
        process.kill()
        process.wait(STARTING)


def client_of(server: LiveServer, provider_id: str) -> dict[str, Any]:
    """Return our registration at a provider."""
    return {
        "client_id": "latchkey",
        "client_secret": SECRET,
        "redirect_uris": [f"{server.url}/login/callback/{provider_id}"],
        "backchannel_logout_uri": f"{server.url}/login/backchannel-logout/{provider_id}",
        "backchannel_logout_session_required": True,
    }


@pytest.fixture
def organisation(tmp_path: Path, folder: Path) -> Iterator[tuple[LiveServer, str]]:
    """A server without passwords, and the issuer of the provider at which people sign in."""
    port = free_port()
    server, issuer = LiveServer(tmp_path / "instance", SERVER), f"http://127.0.0.1:{port}"
    server.instance.mkdir()
    file = server.instance / "latchkey.toml"
    file.write_text(SETTINGS.format(issuer=issuer, secret=SECRET), encoding="utf-8")
    with oidc_provider(folder, port, client_of(server, ID)):
        yield server.start(), issuer
        server.kill()


SERVER = {"allow_private_jwks_uri": "true", "passwords": "off"}


def sign_in(page: Page, server: LiveServer, subject: str) -> None:
    """Sign in by the button and the provider's own pages."""
    page.goto(f"{server.url}/login")
    assert page.get_by_label("Password").count() == 0
    page.get_by_role("button", name=f"Sign in with {NAME}").click()
    page.locator("input[name=login]").fill(subject)
    page.locator("input[name=password]").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{server.url}/account/tokens")


@pytest.mark.asvs("6.8.2")
@pytest.mark.contract("sign-in by an organisation's identity provider, with a real one")
def test_a_person_gets_a_token_without_any_password(browser: Browser, organisation: tuple[LiveServer, str]) -> None:
    server, issuer = organisation
    admin = Admin(server)
    resource = admin.resource(permissions=["books:read"])
    admin.role("user", ["books:read"], name="buyer")
    with browser.page(new=True) as watched:
        page = watched.page
        sign_in(page, server, "ann")
        page.get_by_role("button", name="New token").click()
        page.get_by_label("Name").fill("laptop")
        page.get_by_role("checkbox", name="books:read").check()
        page.get_by_label("30 days", exact=True).check()
        page.get_by_role("button", name="Make the token").click()
        secret = page.locator("input[readonly]").first.input_value()
        answer = admin.introspect(secret)
        assert (answer["username"], answer["scope"]) == ("ann", "books:read")
        assert resource["identifier"] in answer["aud"]
        page.goto(f"{issuer}/session/end")
        page.get_by_role("button", name="Yes, sign me out").click()
        page.goto(f"{server.url}/account/tokens")
        assert page.url.startswith(f"{server.url}/login")
        assert admin.active(secret)
